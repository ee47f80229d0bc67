import { resolve } from 'node:path';
import type { Context } from '@filer/program';
import { perform } from '../control/perform.ts';
import type { SendArguments } from './commands.ts';
import { showJob } from './job-following.ts';

export function run(args: SendArguments, context: Context): Promise<number> {
  const request = {
    paths: args.paths.map((path) => resolve(path)),
    to: args.to,
    note: args.note ?? '',
    timeoutMs: args.timeoutMs,
    onConflict: args.onConflict,
    checksum: args.checksum,
    exclude: args.exclude,
    dryRun: args.dryRun,
    ...(args.limit === undefined ? {} : { limit: args.limit }),
    queue: args.queue,
  };
  return showJob(request.paths, context, (onItem) => perform(context, 'send', request, { onItem }));
}
