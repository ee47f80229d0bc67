import { JOB } from '../arguments.ts';
import { progressArgument, required, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { GetParams } from '../../api/contract/get.ts';
import { keptGet } from '../../jobs/kept-get.ts';
import { findJob } from '../../jobs/find-job.ts';
import { openMember } from '../home-member.ts';
import { fetchAndShow } from './fetch-and-show.ts';
import { showJob } from './job-following.ts';

export const args = { job: required(JOB, 'which job'), progress: progressArgument };

export const examples = ['retry k3q9'];

export async function run(
  { job: typed, progress }: ArgumentValues<typeof args>,
  context: Context,
): Promise<number> {
  const { id, isComplete, names, get } = await lookUp(typed, context);
  if (get !== undefined) return (await fetchAndShow(get, progress, context)).exitCode;
  const params = { job: id, summed: !context.output.jsonMode };
  const exitCode = await showJob(context, progress, (onItem) =>
    call(context, contract.retry, params, onItem),
  );
  if (isComplete) context.output.words(`Nothing is left to repeat: ${names} got all of job ${id}.`);
  return exitCode;
}

interface Found {
  readonly id: string;
  /** Whether every recipient got it all before. */
  readonly isComplete: boolean;
  readonly names: string;
  /** What it fetches, unless it sends. */
  readonly get: GetParams | undefined;
}

async function lookUp(typed: string, context: Context): Promise<Found> {
  using member = await openMember(context);
  const job = findJob(member.jobs, typed);
  const { id } = job;
  const deliveries = member.jobs.deliveries(id);
  return {
    id,
    isComplete: deliveries.every(({ state }) => state === 'delivered'),
    names: deliveries.map(({ name }) => name).join(', '),
    get: keptGet(job),
  };
}
