import type { ArgumentValues, Context } from '@filer/program';
import { amending } from './amending.ts';
import type { groupArguments } from '../arguments.ts';

export async function run(args: ArgumentValues<typeof groupArguments>, context: Context): Promise<void> {
  const { name, groups } = await amending(context, args, (member) => ({
    groups: [...new Set([...member.groups, args.group])].toSorted(),
  }));
  context.output.line(`${name} is in ${groups.join(', ')}`);
}
