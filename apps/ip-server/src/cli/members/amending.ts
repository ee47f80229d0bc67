import { isMachineName, RESERVED_WORDS, type Membership } from '@filer/protocol';
import { customKind, required, type ArgumentValues, type Context } from '@filer/program';
import { GROUP, networkKey, PEER } from '../arguments.ts';
import { asking } from '../asking.ts';
import { amendMember, networkKeyOf } from './signing.ts';

const MACHINE_NAME = customKind(
  `a name of a-z, 0-9 and inner hyphens such as lab-2 (${RESERVED_WORDS} are reserved)`,
  (text) => {
    if (!isMachineName(text)) throw new RangeError('not the name of a machine');
    return text;
  },
);

const peer = required(PEER, 'which machine');
const grouping = { peer, group: required(GROUP, 'which group'), networkKey };
const naming = { peer, name: required(MACHINE_NAME, 'its new name'), networkKey };

export const groupAdd = {
  examples: ['group add cam-3 lab'],
  args: grouping,
  run: async (args: ArgumentValues<typeof grouping>, context: Context): Promise<void> => {
    const { name, groups } = await amended(context, args, (member) => ({
      groups: [...new Set([...member.groups, args.group])].toSorted(),
    }));
    context.output.line(`${name} is in ${groups.join(', ')}`);
  },
};

export const groupRemove = {
  examples: ['group remove cam-3 lab'],
  args: grouping,
  run: async (args: ArgumentValues<typeof grouping>, context: Context): Promise<void> => {
    const { name, groups } = await amended(context, args, (member) => ({
      groups: member.groups.filter((group) => group !== args.group),
    }));
    context.output.line(
      groups.length === 0 ? `${name} is in no group` : `${name} is in ${groups.join(', ')}`,
    );
  },
};

export const rename = {
  examples: ['rename cam-3 front-door'],
  args: naming,
  run: async (args: ArgumentValues<typeof naming>, context: Context): Promise<void> => {
    const { name } = await amended(context, args, () => ({ name: args.name }));
    context.output.line(`${args.peer} is now called ${name}`);
  },
};

/** Changes a membership, and says what it is now. */
async function amended(
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
