import type { ArgumentValues, Context, Loss } from '@filer/program';
import type { removeArguments } from '../arguments.ts';
import { asking } from '../asking.ts';
import { memberOf, networkKeyOf, removeMember } from './signing.ts';

type Arguments = ArgumentValues<typeof removeArguments>;

export async function lossOf({ peer }: Arguments, context: Context): Promise<Loss> {
  const { id, name, groups } = await asking(context, {}, (server) => memberOf(server, peer));
  const of = groups.map((group) => ` @${group}`).join('');
  return {
    lines: [
      `${name}${of} (${id}) is removed permanently: its connections close, and no machine talks to it any longer.`,
      'It comes back only with a new identity and a new invite. Its reports here are kept.',
    ],
    question: `Remove ${name}?`,
  };
}

export async function run(args: Arguments, context: Context): Promise<void> {
  const { output } = context;
  const { id, name } = await asking(context, { exclusive: true }, async (server) => {
    const member = await memberOf(server, args.peer);
    await removeMember(server, await networkKeyOf(context, server, args.networkKey), member.id);
    return member;
  });
  output.json({ removed: { id, name } });
  output.line(`removed ${name} (${id}); its name is free again`);
}
