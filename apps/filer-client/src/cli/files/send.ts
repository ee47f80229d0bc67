import { resolve } from 'node:path';
import { FilerError } from '@filer/protocol';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { SendParams } from '../../api/contract/send.ts';
import type { SendArguments } from '../arguments.ts';
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
  if (copyLinks && skipLinks)
    throw new FilerError('usage', '--copy-links sends what --skip-links leaves out: give one of them');
  const links: SendParams['links'] = copyLinks ? 'copy' : skipLinks ? 'skip' : 'keep';
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
