import { createLogger, type Context } from '@filer/program';
import { operations, type OperationName, type OperationResults } from '../daemon/operations.ts';
import type { Site } from '../daemon/site.ts';
import type { Growing } from '@filer/transfer';
import { JobRunner } from '../jobs/job-runner.ts';
import { CommandAccess } from '../network/command-access.ts';
import { Member } from '../network/member.ts';
import { eachItem } from './each-item.ts';
import type { PerformOptions } from './perform.ts';

/*
 * All that a daemon has at hand, for a command that has none. Loading it takes longer than most commands do: those that
 * a daemon serves do without.
 */

/** @throws FilerError `not-joined`, and whatever the operation throws */
export function performHere<N extends OperationName>(
  context: Context,
  name: N,
  params: unknown,
  { onItem = () => undefined }: PerformOptions,
): Promise<OperationResults[N]> {
  const { signal } = context;
  return inOwnProcess(context, async (site) => {
    return (await operations[name](site, params, { emit: eachItem(onItem), signal })) as OperationResults[N];
  });
}

/**
 * Sends in this process, whether a daemon runs or not, what is still being written.
 *
 * @throws FilerError `not-joined`, and whatever the operation throws
 */
export function sendGrowing(
  context: Context,
  params: unknown,
  growing: Growing,
  { onItem = () => undefined }: PerformOptions,
): Promise<OperationResults['send']> {
  return inOwnProcess(context, async (site) => {
    const run = { emit: eachItem(onItem), signal: context.signal, growing };
    return (await operations.send(site, params, run)) as OperationResults['send'];
  });
}

/**
 * Does something in this process, whether a daemon runs or not.
 *
 * @throws FilerError `not-joined`, and whatever the work throws
 */
export async function inOwnProcess<T>(context: Context, work: (site: Site) => Promise<T>): Promise<T> {
  const { home, version, output } = context;
  using member = await Member.open(home);
  const log = await createLogger({ level: output.verbose ? 'debug' : 'error', stream: output.stderr });
  const access = new CommandAccess(member, version, (error) =>
    log.warn('an entry of the directory was refused', { error }),
  );
  const outreach = { member, access, software: version };
  const jobs = new JobRunner({ outreach, log, isDaemon: false });
  try {
    return await work({ ...outreach, log, jobs, daemon: undefined });
  } finally {
    await jobs.close();
    await access.close();
  }
}
