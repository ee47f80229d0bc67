import type { ArgumentValues, Context } from '@filer/program';
import { amending } from './amending.ts';
import type { renameArguments } from '../arguments.ts';

export async function run(args: ArgumentValues<typeof renameArguments>, context: Context): Promise<void> {
  const { name } = await amending(context, args, () => ({ name: args.name }));
  context.output.line(`${args.peer} is now called ${name}`);
}
