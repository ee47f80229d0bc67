import type { ArgumentValues, Context } from '@filer/program';
import type { removeArguments } from '../arguments.ts';
import { asking } from '../asking.ts';
import { memberOf, networkKeyOf, removeMember } from './signing.ts';

export async function run(args: ArgumentValues<typeof removeArguments>, context: Context): Promise<void> {
  const { output } = context;
  const { id, name } = await asking(context, { exclusive: true }, async (server) => {
    const member = await memberOf(server, args.peer);
    await removeMember(server, await networkKeyOf(context, server, args.networkKey), member.id);
    return member;
  });
  output.json({ removed: { id, name } });
  output.line(`removed ${name} (${id}); its name is free again`);
}
