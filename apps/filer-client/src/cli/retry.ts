import type { Context } from '@filer/program';
import { perform } from '../control/perform.ts';
import { findJob } from '../jobs/find-job.ts';
import { parseKeptRequest } from '../jobs/send-request.ts';
import type { JobArguments } from './commands.ts';
import { openMember } from './home-member.ts';
import { showJob } from './job-following.ts';

export async function run({ job: typed }: JobArguments, context: Context): Promise<number> {
  const { id, paths } = await lookUp(typed, context);
  return showJob(paths, context, (onItem) => perform(context, 'retry', { job: id }, { onItem }));
}

async function lookUp(typed: string, context: Context): Promise<{ id: string; paths: readonly string[] }> {
  using member = await openMember(context);
  const { id, request } = findJob(member.jobs, typed);
  return { id, paths: parseKeptRequest(request).paths };
}
