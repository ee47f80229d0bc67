import type { Membership } from '@filer/protocol';
import type { Context } from '@filer/program';
import { asking } from '../asking.ts';
import { amendMember, networkKeyOf } from './signing.ts';

/** Changes a membership, and says what it is now. */
export async function amending(
  context: Context,
  args: { readonly peer: string; readonly networkKey: string | undefined },
  change: Parameters<typeof amendMember>[3],
): Promise<Membership> {
  const membership = await asking(context, { exclusive: true }, async (server) =>
    amendMember(server, await networkKeyOf(context, server, args.networkKey), args.peer, change),
  );
  const { id, name, groups } = membership;
  context.output.json({ id, name, groups });
  return membership;
}
