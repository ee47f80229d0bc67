import { FilerError } from '@filer/protocol';
import { Listeners, type Logger } from '@filer/program';
import type { Growing } from '@filer/transfer';
import type { Outreach } from '../network/outreach.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import { LEFT_BEHIND, type DeliveryState, type KeptDelivery } from '../store/job-rows.ts';
import type { JobStore } from '../store/job-store.ts';
import { newJobId } from '../jobs/job-id.ts';
import { AlongsideJobs } from './alongside-jobs.ts';
import type { LiveJob } from './live-job.ts';
import { JobUpkeep } from './job-upkeep.ts';
import { LiveJobs } from './live-jobs.ts';
import type { ProgressDocument } from '../api/contract/transfers.ts';
import { commandOwner, CONTINUED_FOR_MS, DAEMON, OWNER_NOTES_EVERY_MS } from '../jobs/job-leases.ts';
import type { SendEvent } from '../api/contract/send.ts';
import { keptGet } from '../jobs/kept-get.ts';
import { endOf, type Halt } from '../jobs/stopped.ts';
import type { GetParams } from '../api/contract/get.ts';
import type { SendRequest } from '../jobs/send-request.ts';
import { SpooledInput } from './spooled-input.ts';
import { WaitingJobs } from './waiting-jobs.ts';

export interface JobRunnerOptions {
  readonly outreach: Outreach;
  readonly log: Logger;
  /** Whether this is the home's daemon, which tries what waits by itself. */
  readonly isDaemon: boolean;
}

/** What waits is looked at this often, in ms: a pause may be over, or a command may have left a job. */
const LOOK_EVERY_MS = 1_000;

/** What is stopped with a job: the next daemon would continue what was interrupted. */
const STOPPED: Readonly<Record<Halt, readonly DeliveryState[]>> = {
  cancelled: ['queued', 'running', 'paused', 'interrupted'],
  paused: ['queued', 'running', 'interrupted'],
};

/** Runs jobs, and lets those that wait go when their recipients are there. */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #owner: string;
  readonly #live: LiveJobs;
  /** Jobs that run here and send nothing: gets. */
  readonly alongside = new AlongsideJobs();
  readonly #interruptedGet = new Listeners<[params: GetParams]>();
  /** Gives a get that a daemon was stopped in, to continue it. */
  readonly onInterruptedGet = this.#interruptedGet.add;
  readonly #spooled: SpooledInput;
  readonly #waiting: WaitingJobs;
  readonly #upkeep: JobUpkeep;
  #noting: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#owner = options.isDaemon ? DAEMON : commandOwner(process.pid);
    this.#spooled = new SpooledInput(options.outreach.member, options.log);
    this.#live = new LiveJobs({
      outreach: options.outreach,
      log: options.log,
      owner: this.#owner,
      spooled: this.#spooled,
      onTried: (peerId, reached) => this.#waiting.tried(peerId, reached),
      onServed: (peerId) => {
        if (this.#looking !== undefined) this.#look(peerId);
      },
    });
    this.#waiting = new WaitingJobs({
      outreach: options.outreach,
      owner: this.#owner,
      serving: (peerId) => this.#live.servingOf(peerId),
      isServed: ({ job, peer }) => this.#live.get(job)?.isServing(peer) === true,
    });
    this.#upkeep = new JobUpkeep({
      ...options,
      member: options.outreach.member,
      owner: this.#owner,
      live: this.#live,
      alongside: this.alongside,
    });
  }

  /** @param listener told that a job has nothing to send for now; must not throw */
  onIdle(listener: (request: SendRequest) => void): void {
    this.#live.onIdle(listener);
  }

  /** Notes from now on that this process is alive and how far its jobs are; a daemon begins to try what waits. */
  start(): void {
    this.#releaseDead();
    this.#noting ??= setInterval(() => this.#guarded(() => this.#note()), OWNER_NOTES_EVERY_MS).unref();
    if (!this.#options.isDaemon) return;
    this.#looking ??= setInterval(() => {
      this.#guarded(() => this.#upkeep.tellOthersWork());
      this.#look();
    }, LOOK_EVERY_MS);
    this.#spooled.start();
    this.#guarded(() => this.#carryOn());
    this.#look();
  }

  /** A peer came online, or connected to us: what waits for it may go. */
  peerSeen(peerId: string): void {
    this.#waiting.seen(peerId);
    if (this.#looking !== undefined) this.#look(peerId);
  }

  /**
   * Keeps a new job on disk, then begins with it.
   *
   * @param growing tells of its path, if that is still being written
   */
  submit(
    request: SendRequest,
    recipients: readonly KnownPeer[],
    follower: (event: SendEvent) => void,
    growing?: Growing,
  ): LiveJob {
    return this.#begin(this.keep(request, recipients), follower, growing);
  }

  /** Keeps a new job on disk. @param id that no job has @returns its id, to `begin` with */
  keep(
    request: SendRequest,
    recipients: readonly Pick<KnownPeer, 'id' | 'name'>[],
    id: string = newJobId(),
  ): string {
    this.#requireOpen();
    const { queue } = request;
    const { network } = this.#options.outreach.member;
    const kept = { id, createdAt: Date.now(), network, queue, request: JSON.stringify(request) };
    this.#jobs.create({ ...kept, owner: this.#owner }, recipients);
    return id;
  }

  /** Begins with a job that was kept; no one follows it. */
  begin(id: string): void {
    this.#requireOpen();
    this.#begin(id, () => undefined);
  }

  /** This process, as it is noted at what it runs. */
  get owner(): string {
    return this.#owner;
  }

  /** Resolves when a job that was stopped has ended: only then can it begin again. */
  async stopped(id: string): Promise<void> {
    const live = this.#live.get(id);
    if (live?.isStopped === true) await live.ended();
    await this.alongside.stopped(id);
  }

  /** Begins again with the recipients of a job that did not get all of it. @throws FilerError `usage` when it runs */
  retry(id: string, follower: (event: SendEvent) => void): LiveJob {
    this.reopen(id);
    return this.#begin(id, follower);
  }

  /** Has a job that ended wait for its turn again. @throws FilerError `usage` when it runs */
  reopen(id: string): void {
    this.#requireOpen();
    // Only where no daemon runs is a retry in the process of a command.
    if (!this.#options.isDaemon) this.#releaseDead(true);
    if (!this.#jobs.reopen(id, this.#owner, Date.now())) {
      throw new FilerError(
        'usage',
        `job ${id} runs now: see \`filer-client transfers\`, or end it first with \`filer-client cancel ${id}\``,
      );
    }
  }

  /**
   * Stops a job: what runs of it, and what waits.
   *
   * @param how for good, or until it is resumed
   * @returns recipients that do not get it now
   */
  async halt(id: string, how: Halt): Promise<number> {
    const before = this.#jobs.deliveries(id);
    const open = new Set(before.filter(({ state }) => STOPPED[how].includes(state)).map(({ peer }) => peer));
    const besideEnded = this.alongside.stop(id, how);
    await this.#live.stop(id, how);
    this.#jobs.endAll(id, STOPPED[how], endOf(how, id), this.#stamp());
    await besideEnded;
    // A process that runs it removes what it reads once it has stopped.
    if (how === 'cancelled' && before.every(({ state }) => state !== 'running'))
      await this.#spooled.releaseKept(this.#jobs.job(id));
    return this.#jobs.deliveries(id).filter(({ peer, state }) => open.has(peer) && state === how).length;
  }

  /**
   * Continues a job; no one follows it.
   *
   * @param which of its recipients @returns how many are served again
   */
  async resume(id: string, which: 'paused' | 'undelivered'): Promise<number> {
    this.#requireOpen();
    await this.stopped(id);
    const job = this.#jobs.job(id);
    const isMeant = ({ state }: KeptDelivery): boolean =>
      which === 'paused' ? state === 'paused' : state !== 'delivered';
    const meant = this.#jobs.deliveries(id).filter(isMeant).length;
    const got = job === undefined ? undefined : keptGet(job);
    if (got !== undefined) {
      this.#interruptedGet.tell(got);
      return meant;
    }
    if (!this.#jobs.reopen(id, this.#owner, Date.now(), which)) return 0;
    const live = this.#live.ofOrEnd(id);
    if (live !== undefined) this.#placeWaiting(live);
    return meant;
  }

  /** This machine leaves its network: nothing that runs or waits can continue. @returns how many jobs that ends */
  async leave(): Promise<number> {
    const open = this.#jobs.open();
    await this.#live.stopAll('left');
    this.#jobs.endOutside(undefined, LEFT_BEHIND, this.#stamp());
    for (const job of open) await this.#spooled.releaseLeft(job);
    return open.length;
  }

  #stamp(): number {
    return this.#options.outreach.member.clock.stamp();
  }

  /** Notes how far the deliveries are that run here, and that this process is alive. */
  noteProgress(): void {
    this.#upkeep.noteProgress();
  }

  /** How far a job that runs here is to a recipient. */
  progressOf(job: string, peerId: string): ProgressDocument | null {
    return this.#live.get(job)?.progressOf(peerId) ?? null;
  }

  /** What is sent here now. */
  get sends(): { readonly job: string; readonly peer: string; readonly progress: ProgressDocument | null }[] {
    return this.#live.running.map(({ job, peer }) => ({ job, peer, progress: this.progressOf(job, peer) }));
  }

  /** Stops what runs: what can wait waits in the database. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#noting);
    clearInterval(this.#looking);
    this.#spooled.stop();
    await this.#live.close();
  }

  #begin(id: string, follower: (event: SendEvent) => void, growing?: Growing): LiveJob {
    const live = this.#live.of(id, growing);
    live.follow(follower);
    live.announce();
    this.#placeWaiting(live);
    return live;
  }

  #placeWaiting(live: LiveJob): void {
    const deliveries = this.#jobs.deliveries(live.job.id);
    this.#place(
      live,
      deliveries.filter(({ state }) => state === 'queued'),
    );
  }

  /** Serves recipients that may be there, and lets the others wait. */
  #place(live: LiveJob, deliveries: readonly KeptDelivery[]): void {
    const { directory } = this.#options.outreach.member;
    for (const delivery of deliveries) {
      const { peer: id, name } = delivery;
      const end = this.#waiting.settled(delivery, live.request.queue);
      const peer = directory.byId(id);
      if (end !== undefined) live.settle({ id, name }, end);
      else if (peer !== undefined) live.serve(peer);
    }
    this.#live.release(live);
  }

  /** Begins with what waits and may go now, oldest first. @param peerId for whom alone. @default everyone */
  #look(peerId?: string): void {
    if (!this.#closed) this.#guarded(() => this.#serveWaiting(peerId));
  }

  #serveWaiting(peerId: string | undefined): void {
    const { log } = this.#options;
    for (const { delivery, ...decided } of this.#waiting.due(peerId)) {
      const { job, peer: id, name } = delivery;
      const live = this.#live.ofOrEnd(job);
      if (live === undefined) continue;
      if ('lost' in decided) {
        log.warn('a waiting delivery has failed', { job, recipient: name, reason: decided.lost.status });
        live.settle({ id, name }, decided.lost);
      } else {
        log.info('a waiting delivery is tried', { job, recipient: name });
        live.serve(decided.peer);
      }
      this.#live.release(live);
    }
  }

  #note(): void {
    this.#upkeep.haltStopped();
    this.noteProgress();
    if (this.#options.isDaemon) this.#releaseDead();
  }

  /** Jobs whose process has died, or lost them to a database that failed for a while. */
  #releaseDead(daemonIsGone = this.#options.isDaemon): void {
    this.#upkeep.releaseDead(daemonIsGone);
    if (this.#looking !== undefined) this.#carryOn();
  }

  /** Continues what a daemon was stopped or killed in, this one too if its database failed for a while. */
  #carryOn(): void {
    const now = this.#stamp();
    const { network } = this.#options.outreach.member;
    for (const job of this.#jobs.interruptedOf(this.#owner, now - CONTINUED_FOR_MS)) {
      if (job.network !== network) continue;
      const got = keptGet(job);
      if (got !== undefined) {
        this.#options.log.info('an interrupted get continues', { job: job.id });
        this.#interruptedGet.tell(got);
        continue;
      }
      if (!this.#jobs.reopen(job.id, this.#owner, now, 'interrupted')) continue;
      const live = this.#live.ofOrEnd(job.id, true);
      if (live === undefined) continue;
      this.#options.log.info('an interrupted transfer continues', { job: job.id });
      this.#placeWaiting(live);
    }
  }

  #requireOpen(): void {
    if (this.#closed) throw new FilerError('terminated', 'filer-client is stopping: try again in a moment');
  }

  /** A database that fails now is tried again later: nothing that waits is lost. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#options.log.warn('waiting jobs could not be checked', { error });
    }
  }

  get #jobs(): JobStore {
    return this.#options.outreach.member.jobs;
  }
}
