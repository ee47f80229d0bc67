import { resolve } from 'node:path';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { SendArguments } from '../arguments.ts';
import { linksOf } from './links.ts';
import { showJob } from './job-following.ts';
import { refuseMisplacedRecipients } from './trailing-recipient.ts';

export async function run(args: SendArguments, context: Context): Promise<number> {
  const {
    paths,
    note = '',
    as = '',
    into = '',
    copyLinks,
    skipLinks,
    delete: mirror,
    progress: wanted,
    ...options
  } = args;
  const progress = args.dryRun ? 'none' : wanted;
  const links = linksOf({ copyLinks, skipLinks });
  const request = { ...options, note, as, into, links, mirror };
  if (paths.includes('-')) {
    const { sendStandardInput } = await import('./send-standard-input.ts');
    return await sendStandardInput(paths, request, progress, context);
  }
  refuseMisplacedRecipients(paths);
  const absolute = paths.map((path) => resolve(path));
  const params = { ...request, paths: absolute, summed: !context.output.jsonMode };
  return await showJob(context, progress, (onEvent) => call(context, contract.send, params, onEvent));
}
