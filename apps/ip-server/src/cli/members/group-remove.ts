import type { ArgumentValues, Context } from '@filer/program';
import { amending } from './amending.ts';
import type { groupArguments } from '../arguments.ts';

export async function run(args: ArgumentValues<typeof groupArguments>, context: Context): Promise<void> {
  const { name, groups } = await amending(context, args, (member) => ({
    groups: member.groups.filter((group) => group !== args.group),
  }));
  context.output.line(groups.length === 0 ? `${name} is in no group` : `${name} is in ${groups.join(', ')}`);
}
