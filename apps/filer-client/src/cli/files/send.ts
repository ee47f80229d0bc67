import { resolve } from 'node:path';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { SendArguments } from '../arguments.ts';
import { showJob } from './job-following.ts';

export async function run(args: SendArguments, context: Context): Promise<number> {
  const { paths, note = '', as = '', ...options } = args;
  const request = { ...options, note, as };
  if (paths.includes('-')) {
    const { sendStandardInput } = await import('./send-standard-input.ts');
    return await sendStandardInput(paths, request, context);
  }
  const absolute = paths.map((path) => resolve(path));
  const params = { ...request, paths: absolute, summed: !context.output.jsonMode };
  return await showJob(context, (onEvent) => call(context, contract.send, params, onEvent));
}
