import { randomBytes } from 'node:crypto';
import { FilerError, MAX_TRANSFERS, MAX_TRANSFERS_PER_PEER } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Growing } from '@filer/transfer';
import type { Outreach } from '../network/reach-peer.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { DeliveryEnd, KeptDelivery } from '../store/job-rows.ts';
import type { JobStore } from '../store/job-store.ts';
import { LiveJob } from './live-job.ts';
import { commandOwner, DAEMON, OWNER_NOTES_EVERY_MS, releaseDeadJobs } from './owners.ts';
import { PeerBackoff } from './peer-backoff.ts';
import type { SendEvent } from './send-events.ts';
import { parseKeptRequest, type SendRequest } from './send-request.ts';
import { cleanSpool, removeSpooled } from './spool-folder.ts';
import { Turns } from './turns.ts';

export interface JobRunnerOptions {
  readonly outreach: Outreach;
  readonly log: Logger;
  /** Whether this is the home's daemon, which tries what waits by itself. */
  readonly isDaemon: boolean;
}

/** What waits is looked at this often, in ms: a pause may be over, or a command may have left a job. */
const LOOK_EVERY_MS = 1_000;

/** What came from standard input and nobody sent again is looked for this often, in ms. */
const CLEAN_EVERY_MS = 24 * 3_600_000;

/** Runs jobs, and lets those that wait go when their recipients are there. */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #owner: string;
  readonly #live = new Map<string, LiveJob>();
  readonly #backoff = new PeerBackoff();
  readonly #turns = new Turns(MAX_TRANSFERS);
  readonly #noting: NodeJS.Timeout;
  #looking: NodeJS.Timeout | undefined;
  #cleaning: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#owner = options.isDaemon ? DAEMON : commandOwner(process.pid);
    releaseDeadJobs(this.#jobs, Date.now(), options.isDaemon ? options.log : undefined);
    this.#noting = setInterval(() => this.#guarded(() => this.#note()), OWNER_NOTES_EVERY_MS);
    this.#noting.unref();
  }

  /** Begins to try what waits: the daemon is connected, or as good as that gets. */
  start(): void {
    this.#looking ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#cleaning ??= setInterval(() => this.#clean(), CLEAN_EVERY_MS);
    this.#clean();
    this.#look();
  }

  /** A peer came online, or connected to us: what waits for it may go. */
  peerSeen(peerId: string): void {
    this.#backoff.seen(peerId);
    if (this.#looking !== undefined) this.#look();
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
    const id = newJobId();
    const { queue } = request;
    const { network } = this.#options.outreach.member;
    const kept = { id, createdAt: Date.now(), network, queue, request: JSON.stringify(request) };
    this.#jobs.create({ ...kept, owner: this.#owner }, recipients);
    return this.#begin(id, follower, growing);
  }

  /** Begins again with the recipients of a job that did not get all of it. */
  retry(id: string, follower: (event: SendEvent) => void): LiveJob {
    this.#jobs.reopen(id, this.#owner, Date.now());
    return this.#begin(id, follower);
  }

  /** Ends a job for good: what runs of it, and what waits. @returns recipients that do not get it now */
  async cancel(id: string): Promise<number> {
    const live = this.#live.get(id);
    live?.stop('cancelled');
    const end: DeliveryEnd = { state: 'cancelled', code: 'interrupted', status: 'cancelled here' };
    const open = this.#jobs.deliveries(id).filter(({ state }) => state === 'queued' || state === 'running');
    await live?.ended();
    this.#jobs.endAll(id, ['queued', 'running'], end, Date.now());
    return open.length;
  }

  /** Notes how far the deliveries are that run here, and that this process is alive. */
  noteProgress(): void {
    const running = [...this.#live.values()].flatMap((live) => live.running);
    if (running.length > 0) this.#jobs.progress(running, this.#owner, Date.now());
  }

  /** Stops what runs: what can wait waits in the database. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#noting);
    clearInterval(this.#looking);
    clearInterval(this.#cleaning);
    const live = [...this.#live.values()];
    for (const job of live) job.stop('leaving');
    await Promise.allSettled(live.map((job) => job.ended()));
  }

  #begin(id: string, follower: (event: SendEvent) => void, growing?: Growing): LiveJob {
    const live = this.#liveOf(id, growing);
    live.follow(follower);
    live.announce();
    this.#place(
      live,
      this.#jobs.deliveries(id).filter(({ state }) => state === 'queued'),
    );
    return live;
  }

  #liveOf(id: string, growing?: Growing): LiveJob {
    const known = this.#live.get(id);
    if (known !== undefined) return known;
    const job = this.#jobs.job(id);
    if (job === undefined) throw new Error(`the job ${id} was kept a moment ago`);
    const { outreach, log } = this.#options;
    const onTried = (peerId: string, reached: boolean): void => this.#tried(peerId, reached);
    const live = new LiveJob(job, {
      outreach,
      log,
      owner: this.#owner,
      turns: this.#turns,
      growing,
      onTried,
    });
    this.#live.set(id, live);
    return live;
  }

  /** Serves recipients that may be there, and lets the others wait. */
  #place(live: LiveJob, deliveries: readonly KeptDelivery[]): void {
    const { directory } = this.#options.outreach.member;
    for (const { peer: id, name } of deliveries) {
      const peer = directory.byId(id);
      const end = this.#lost(peer, id, name) ?? this.#awaited(live.request, peer, name);
      if (peer === undefined || end !== undefined) live.settle({ id, name }, end ?? unknown(name));
      else live.serve([peer]);
    }
    void this.#release(live);
  }

  /** Why a recipient can never be served. */
  #lost(peer: KnownPeer | undefined, id: string, name: string): DeliveryEnd | undefined {
    const { removals } = this.#options.outreach.member;
    if (removals.has(id))
      return { state: 'failed', code: 'removed', status: `${name} was removed from the network` };
    if (peer?.state === 'gone')
      return { state: 'failed', code: 'no-such-peer', status: `${name} has left the network` };
    return undefined;
  }

  /** Why a recipient of a job that can wait is waited for, without trying. */
  #awaited({ queue }: SendRequest, peer: KnownPeer | undefined, name: string): DeliveryEnd | undefined {
    if (!queue || !this.#isAway(peer)) return undefined;
    const seen =
      peer === undefined || peer.lastSeen === 0 ? '' : `, last seen ${new Date(peer.lastSeen).toISOString()}`;
    return { state: 'queued', code: undefined, status: `${name} is offline${seen}` };
  }

  /** The directory says that it is not there, and the directory is the server's of now. */
  #isAway(peer: KnownPeer | undefined): boolean {
    return this.#options.outreach.access.current !== undefined && peer?.state !== 'online';
  }

  /** Forgets a job once it serves nobody. Never rejects. */
  async #release(live: LiveJob): Promise<void> {
    try {
      await live.ended();
    } catch (error) {
      this.#options.log.error('a job failed for a fault of this program', { job: live.job.id, error });
    }
    if (live.isIdle) this.#live.delete(live.job.id);
    await this.#releaseSpooled(live);
    if (this.#looking !== undefined) this.#look();
  }

  /** What came from standard input is kept until everyone has it, or nobody is to have it any more. */
  async #releaseSpooled({ job, request, isIdle }: LiveJob): Promise<void> {
    if (!request.spooled || !isIdle) return;
    const isOver = this.#jobs.deliveries(job.id).every(({ state }) => ENDED_FOR_GOOD.has(state));
    if (isOver) await removeSpooled(request.paths);
  }

  /** Never rejects, and nobody waits for it. */
  #clean(): void {
    const waiting = this.#jobs.open().flatMap(({ request }) => parseKeptRequest(request).paths);
    const { outgoing } = this.#options.outreach.member.home;
    cleanSpool(outgoing, new Set(waiting), Date.now()).catch((error: unknown) =>
      this.#options.log.error('old standard input was not removed', { error }),
    );
  }

  #tried(peerId: string, reached: boolean): void {
    if (reached) this.#backoff.reached(peerId);
    else this.#backoff.failed(peerId, Date.now(), Math.random());
  }

  /** Begins with what waits and may go now, oldest first. */
  #look(): void {
    if (!this.#closed) this.#guarded(() => this.#serveWaiting());
  }

  #serveWaiting(): void {
    const { member } = this.#options.outreach;
    const now = Date.now();
    for (const delivery of this.#jobs.waiting(member.network)) {
      const { job, peer: id, name } = delivery;
      const live = this.#live.get(job);
      if (live?.isServing(id) === true) continue;
      const peer = member.directory.byId(id);
      const lost = this.#lost(peer, id, name);
      if (lost !== undefined) {
        this.#options.log.warn('a waiting delivery has failed', {
          job,
          recipient: name,
          reason: lost.status,
        });
        this.#liveOf(job).settle({ id, name }, lost);
        void this.#release(this.#liveOf(job));
        continue;
      }
      if (peer === undefined || this.#isAway(peer) || !this.#hasRoomFor(id, now)) continue;
      this.#options.log.info('a waiting delivery is tried', { job, recipient: name });
      this.#liveOf(job).serve([peer]);
      void this.#release(this.#liveOf(job));
    }
  }

  /** A peer that did not answer gets one try at a time. */
  #hasRoomFor(peerId: string, now: number): boolean {
    if (!this.#backoff.isDue(peerId, now)) return false;
    const serving = [...this.#live.values()].filter((live) => live.isServing(peerId)).length;
    return serving < (this.#backoff.isFailing(peerId) ? 1 : MAX_TRANSFERS_PER_PEER);
  }

  #note(): void {
    for (const [id, live] of this.#live) if (this.#isCancelled(id)) live.stop('cancelled');
    this.noteProgress();
  }

  /** A command without a daemon is told so through the database. */
  #isCancelled(id: string): boolean {
    return this.#jobs.job(id)?.state === 'cancelled';
  }

  /** A database that fails now is tried again later: nothing that waits is lost. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#options.log.warn('waiting jobs could not be looked at', { error });
    }
  }

  get #jobs(): JobStore {
    return this.#options.outreach.member.jobs;
  }
}

const ENDED_FOR_GOOD: ReadonlySet<KeptDelivery['state']> = new Set(['delivered', 'cancelled']);

function unknown(name: string): DeliveryEnd {
  return { state: 'failed', code: 'no-such-peer', status: `the directory does not know ${name} any more` };
}

/** Short enough to be typed, in letters and digits alone: 80 random bits. */
function newJobId(): string {
  const bytes = randomBytes(16);
  return Array.from(bytes, (byte) => 'abcdefghjkmnpqrstvwxyz0123456789'[byte % 32]).join('');
}
