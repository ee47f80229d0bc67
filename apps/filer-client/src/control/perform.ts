import { connectControl, createLogger, type Context } from '@filer/program';
import { operations, type OperationName, type OperationResults } from '../daemon/operations.ts';
import { JobRunner } from '../jobs/job-runner.ts';
import { CommandAccess } from '../network/command-access.ts';
import { Member } from '../network/member.ts';

/** What a command may ask for besides its arguments. */
export interface PerformOptions {
  /** Gets what the operation tells while it runs, in order. */
  readonly onItem?: (item: unknown) => void | Promise<void>;
}

/**
 * Has an operation done: by this home's daemon if one runs, else in this process.
 *
 * @throws FilerError `not-joined`, and whatever the operation throws
 */
export async function perform<N extends OperationName>(
  context: Context,
  name: N,
  params: unknown,
  { onItem = () => undefined }: PerformOptions = {},
): Promise<OperationResults[N]> {
  const { home, signal, version, output } = context;
  const caller = await connectControl(home, { signal });
  if (caller !== undefined) {
    await using daemon = caller;
    // The daemon is the same program of the same home: its results have the operation's own type.
    return (await daemon.stream(name, params, onItem, { signal })) as OperationResults[N];
  }
  using member = await Member.open(home);
  const log = await createLogger({ level: output.verbose ? 'debug' : 'error', stream: output.stderr });
  const access = new CommandAccess(member, version, (error) =>
    log.warn('an entry of the directory was refused', { error }),
  );
  const outreach = { member, access, software: version };
  const jobs = new JobRunner({ outreach, log, isDaemon: false });
  try {
    const site = { ...outreach, log, jobs, daemon: undefined };
    return (await operations[name](site, params, { emit: onItem, signal })) as OperationResults[N];
  } finally {
    await jobs.close();
    await access.close();
  }
}
