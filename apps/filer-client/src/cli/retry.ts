import type { Context } from '@filer/program';
import { perform } from '../control/perform.ts';
import { findJob } from '../jobs/find-job.ts';
import { namedPaths, parseKeptRequest } from '../jobs/send-request.ts';
import type { JobArguments } from './commands.ts';
import { openMember } from './home-member.ts';
import { showJob } from './job-following.ts';

export async function run({ job: typed }: JobArguments, context: Context): Promise<number> {
  const { id, paths, isComplete, names } = await lookUp(typed, context);
  const exitCode = await showJob(paths, context, (onItem) =>
    perform(context, 'retry', { job: id }, { onItem }),
  );
  if (isComplete) context.output.words(`Nothing is left to repeat: ${names} got all of job ${id}.`);
  return exitCode;
}

interface Found {
  readonly id: string;
  readonly paths: readonly string[];
  /** Whether every recipient got it all before. */
  readonly isComplete: boolean;
  readonly names: string;
}

async function lookUp(typed: string, context: Context): Promise<Found> {
  using member = await openMember(context);
  const { id, request } = findJob(member.jobs, typed);
  const deliveries = member.jobs.deliveries(id);
  return {
    id,
    paths: namedPaths(parseKeptRequest(request)),
    isComplete: deliveries.every(({ state }) => state === 'delivered'),
    names: deliveries.map(({ name }) => name).join(', '),
  };
}
