import { required, type ArgumentValues, type Context, type Loss } from '@filer/program';
import { asking } from '../asking.ts';
import { memberOf, networkKeyOf, removeMember } from './signing.ts';
import { PEER, networkKey } from '../arguments.ts';

export const args = { peer: required(PEER, 'which machine'), networkKey };

export const examples = ['remove cam-3', 'remove cam-3 --yes'];

export const confirms = 'always';

type Arguments = ArgumentValues<typeof args>;

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
