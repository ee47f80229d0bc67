import { createLogger, readConfiguration, type Context } from '@filer/program';
import { operations, type OperationName, type OperationResults } from '../daemon/operations.ts';
import type { Site } from '../daemon/site.ts';
import type { Growing } from '@filer/transfer';
import { JobRunner } from '../jobs/job-runner.ts';
import { CommandAccess } from '../network/command-access.ts';
import { Member } from '../network/member.ts';
import { clientSettings } from '../settings.ts';
import { eachItem, type PerformOptions } from './each-item.ts';

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
    if (name === 'report' || name === 'scheduleRun')
      site.member.spool.maxFileBytes = await attachmentSpace(context);
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
  await using own = await openOwnSite(context);
  return await work(own.site);
}

/** What a daemon has at hand, in this process, until it is disposed of. */
export interface OwnSite extends AsyncDisposable {
  readonly site: Site;
  readonly access: CommandAccess;
  /** @throws whatever the operation throws */
  perform<N extends OperationName>(name: N, params: unknown): Promise<OperationResults[N]>;
}

/** @throws FilerError `not-joined`, of the home */
export async function openOwnSite(context: Context): Promise<OwnSite> {
  const { home, version, output, signal } = context;
  const log = await createLogger({ level: output.verbose ? 'debug' : 'error', stream: output.stderr });
  const member = await Member.open(home);
  const access = new CommandAccess(member, version, (error) =>
    log.warn('an entry of the directory was refused', { error }),
  );
  const outreach = { member, access, software: version };
  const jobs = new JobRunner({ outreach, log, isDaemon: false });
  const site: Site = { ...outreach, environment: context.env, log, jobs, daemon: undefined };
  return {
    site,
    access,
    perform: async (name, params) =>
      (await operations[name](site, params, { emit: () => undefined, signal })) as never,
    [Symbol.asyncDispose]: async () => {
      try {
        await jobs.close();
        await access.close();
      } finally {
        member[Symbol.dispose]();
      }
    },
  };
}

async function attachmentSpace({ home, env }: Context): Promise<number> {
  return (await readConfiguration(clientSettings, { home, env, flags: {} })).attachmentSpace;
}
