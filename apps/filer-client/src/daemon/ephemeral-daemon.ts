import { FilerError, type HostPort } from '@filer/protocol';
import {
  type Environment,
  type Home,
  implementWith,
  type Logger,
  type Methods,
  readClocks,
} from '@filer/program';
import type { Growing } from '@filer/transfer';
import { resolve } from 'node:path';
import { contract } from '../api/contract.ts';
import { Rollouts } from '../send/rollouts.ts';
import { JobRunner } from '../send/job-runner.ts';
import { CommandAccess } from '../network/command-access.ts';
import { standingLimit } from '../network/standing-limits.ts';
import { Member } from '../network/member.ts';
import { withFirst } from '../network/first-address.ts';
import { ScheduleTable } from '../reports/schedule-table.ts';
import { Scheduler } from '../reports/scheduler.ts';
import type { DaemonPart, OperationContext } from './operation-context.ts';
import { operations } from './operations.ts';
import { TextCourier } from './text-courier.ts';
import { sendSpooledHere } from './send-spooled.ts';

export interface EphemeralOptions {
  readonly home: Home;
  readonly software: string;
  readonly environment: Environment;
  readonly log: Logger;
  /** Reads the configuration; asked only by what needs it. */
  readonly settings: DaemonPart['settings'];
  /** @see MemberOptions */
  readonly afterLeaving?: boolean | undefined;
  /** Tells of what is to be sent, while it is still being written. */
  readonly growing?: Growing | undefined;
}

/**
 * A daemon for the time of one command, in the command's process, while none runs: it does every operation that needs
 * none of what a daemon does on its own, listens to no one and is never presence.
 */
export class EphemeralDaemon implements AsyncDisposable {
  readonly access: CommandAccess;
  readonly context: OperationContext;
  readonly methods: Methods;

  private constructor(member: Member, options: EphemeralOptions) {
    const { software, environment, log, growing } = options;
    this.access = new CommandAccess(member, software, (error) =>
      log.warn('an entry of the directory was refused', { error }),
    );
    const outreach = { member, access: this.access, software };
    const parts = { ...outreach, schedules: ScheduleTable.of(member), environment, log };
    const jobs = new JobRunner({ outreach, log, isDaemon: false });
    jobs.start();
    const texts = new TextCourier({ outreach, sessionWith: none, log });
    const rollouts = new Rollouts({ outreach, sessionWith: none, log });
    this.context = {
      ...parts,
      growing,
      jobs,
      texts,
      rollouts,
      daemon: standIns(parts, options),
    };
    this.methods = implementWith(contract, () => this.context, operations);
  }

  /** @throws FilerError `not-joined`, of the home */
  static async open(options: EphemeralOptions): Promise<EphemeralDaemon> {
    return new EphemeralDaemon(await Member.open(options.home, options), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { jobs, texts, rollouts, member } = this.context;
    try {
      await rollouts.close();
      await jobs.close();
      await texts.close();
      await this.access.close();
    } finally {
      member[Symbol.dispose]();
    }
  }
}

type Parts = Omit<OperationContext, 'jobs' | 'texts' | 'rollouts' | 'daemon'>;

function requireRunning(words = 'no daemon runs here'): never {
  throw new FilerError('needs-daemon', `${words}: start it with \`filer-client start\``);
}

const none = (): undefined => undefined;

/** What a daemon does on its own, as it is while none runs. */
function standIns(parts: Parts, { settings }: EphemeralOptions): DaemonPart {
  const { member, access } = parts;
  return {
    isRunning: false,
    requireRunning,
    settings,
    listen: null,
    inboxFolder: async () => resolve((await settings()).inbox ?? member.home.inbox),
    incoming: () => [],
    serving: () => [],
    gets: new Set(),
    watches: { add: () => Promise.resolve(), remove: () => Promise.resolve(), standing: none },
    connections: () => 0,
    useServer: (address, signal) => tryServer(parts, address, signal),
    listConnections: () => requireRunning(),
    connect: () => requireRunning(),
    disconnect: () => requireRunning(),
    sessionWith: none,
    answerOffers: () => requireRunning(),
    beginGet: () => requireRunning(),
    knownDrop: () => Promise.resolve(undefined),
    openPage: () => requireRunning('the page of this machine is served by its daemon, and none runs here'),
    endPageSessions: (id) => {
      const ids = id === undefined ? member.pageSessions.all().map((each) => each.id) : [id];
      return ids.flatMap((each) => member.pageSessions.end(each) ?? []);
    },
    endFetches: none,
    scheduler: { wake: none, runNow: (name, signal) => runNow(parts, name, signal) },
    prepareTransfers: async () => {
      const { limit, receiveLimit } = await settings();
      member.limits = { send: standingLimit(limit), receive: standingLimit(receiveLimit) };
    },
    prepareSpool: async () => {
      member.spool.maxFileBytes = (await settings()).attachmentSpace;
    },
    sendSpooled: (_seq, signal) => sendSpooledHere({ ...parts, access }, signal),
    shutDown: none,
  };
}

/** A server that is only away is no reason to forget its new address; an imposter is. */
async function tryServer({ member, access }: Parts, address: HostPort, signal: AbortSignal): Promise<true> {
  const before = member.server;
  const keep = (addresses: readonly HostPort[]): Promise<void> =>
    member.keepServer({ ...member.server, addresses });
  // That the server answers at an address it had before would say nothing about this one.
  await keep([address]);
  try {
    await access.session(signal);
    await keep(withFirst(address, before.addresses));
    return true;
  } catch (error) {
    const isImposter = error instanceof FilerError && error.code === 'identity-mismatch';
    await keep(isImposter ? before.addresses : withFirst(address, before.addresses));
    throw error;
  }
}

async function runNow(
  { member, schedules, environment, log }: Parts,
  name: string,
  signal: AbortSignal,
): ReturnType<Scheduler['runNow']> {
  const nothing = { onSpooled: none, onChanged: none };
  const scheduler = new Scheduler({ member, schedules, environment, clocks: readClocks, log, ...nothing });
  try {
    return await scheduler.runNow(name, signal);
  } finally {
    await scheduler.close();
  }
}
