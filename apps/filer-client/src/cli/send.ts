import { resolve } from 'node:path';
import type { Context } from '@filer/program';
import { perform } from '../control/perform.ts';
import type { SendArguments } from './commands.ts';
import { showJob } from './job-following.ts';
import { sendStandardInput } from './send-standard-input.ts';

export function run(args: SendArguments, context: Context): Promise<number> {
  const { paths, note = '', as = '', ...options } = args;
  const request = { ...options, note, as };
  if (paths.includes('-')) return sendStandardInput(paths, request, context);
  const absolute = paths.map((path) => resolve(path));
  return showJob(context, (onItem) =>
    perform(context, 'send', { ...request, paths: absolute, summed: !context.output.jsonMode }, { onItem }),
  );
}
