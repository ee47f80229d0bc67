import { FilerError, Semaphore } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { isPassing } from '../jobs/while-lost.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { JobStage, ReleaseStore, Rollout } from '../store/release-store.ts';
import { PeerBackoff } from './peer-backoff.ts';
import { StageAsking, type StageAskingOptions } from './stage-asking.ts';

/** Machines that are asked at the same time. */
const ASKED_AT_ONCE = 32;

/** What is due is looked for this often, in ms. */
const LOOK_EVERY_MS = 500;

export interface RolloutsOptions extends StageAskingOptions {
  readonly log: Logger;
}

/** How one recipient of a wave came out of it. */
type Outcome = 'done' | 'away' | 'failed';

/**
 * Releases and rollbacks of this machine's jobs, wave by wave. What is to be done stands in the database: it outlasts the daemon,
 * and a recipient that was away is asked when it comes.
 */
export class Rollouts {
  readonly #options: RolloutsOptions;
  readonly #asking: StageAsking;
  readonly #turns = new Semaphore(ASKED_AT_ONCE);
  readonly #backoff = new PeerBackoff();
  readonly #closing = new AbortController();
  /** Jobs of which a wave runs. */
  readonly #waves = new Map<string, Promise<void>>();
  /** Recipients that are asked now, by job and peer. */
  readonly #asked = new Map<string, Promise<Outcome>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RolloutsOptions) {
    this.#options = options;
    this.#asking = new StageAsking(options);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.look(), LOOK_EVERY_MS);
    this.look();
  }

  /** A peer came online, or connected to us. */
  peerSeen(peerId: string): void {
    this.#backoff.seen(peerId);
    if (this.#timer !== undefined) this.look();
  }

  /** Begins with what is due. A database that fails now is tried again later. */
  look(): void {
    if (this.#closing.signal.aborted) return;
    try {
      const now = this.#now();
      for (const rollout of this.#store.running())
        if (rollout.dueAt <= now && !this.#waves.has(rollout.job)) this.#begin(rollout);
      for (const stage of this.#store.waiting()) this.#askLate(stage);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#options.log.warn('releases could not be looked at', { error });
    }
  }

  /** Aborted when this process ends its part: who follows a release follows it no further. */
  get ending(): AbortSignal {
    return this.#closing.signal;
  }

  /** Whether a wave of a job runs now. */
  isBusy(job: string): boolean {
    return this.#waves.has(job);
  }

  /** What runs ends; it continues with the next daemon. May be called twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort(new FilerError('terminated', 'filer-client is stopping'));
    await Promise.all([...this.#waves.values(), ...this.#asked.values()]);
  }

  /** Whether the directory of now says that a peer is not there. */
  isAway(peerId: string): boolean {
    const { member, access } = this.#options.outreach;
    return access.current !== undefined && member.directory.byId(peerId)?.state !== 'online';
  }

  #begin(rollout: Rollout): void {
    const running = this.#wave(rollout)
      .catch((error: unknown) => {
        if (!(error instanceof FilerError)) throw error;
        this.#options.log.warn('a release could not continue, and is tried again', {
          job: rollout.job,
          error,
        });
      })
      .finally(() => {
        this.#waves.delete(rollout.job);
        const next = this.#store.rollout(rollout.job);
        if (next !== undefined && next.wave > rollout.wave) this.look();
      });
    this.#waves.set(rollout.job, running);
  }

  async #wave(rollout: Rollout): Promise<void> {
    const { job, wave, waves } = rollout;
    const { log } = this.#options;
    const stages = this.#store.of(job).filter((stage) => stage.wave === wave && stage.wanted !== undefined);
    log.info('a wave of a release begins', { job, wave, waves, machines: stages.length });
    const outcomes = await Promise.all(stages.map((stage) => this.#ask(stage)));
    if (this.#closing.signal.aborted) return;
    const failed = this.#store
      .of(job)
      .filter((stage) => stage.wave === wave && isFailed(stage))
      .map(({ name }) => name);
    const reached = this.#store.of(job).some((stage) => stage.wave === wave && stage.wanted === undefined);
    // Those that are away get it when they come: of a wave that reached somebody, or where there are no others.
    if (failed.length > 0 || (waves > 1 && outcomes.includes('failed')))
      this.#stop(
        rollout,
        `${waves > 1 ? `wave ${wave} of ${waves}` : 'it'} failed at ${failed.join(', ') || 'a machine that does not answer'}`,
      );
    else if (waves > 1 && !reached) this.#stop(rollout, `no machine of wave ${wave} of ${waves} is there`);
    else this.#store.next(rollout, this.#now());
    this.#options.outreach.member.events.publish('transfer', {});
  }

  #stop(rollout: Rollout, why: string): void {
    this.#options.log.warn('a release was stopped', { job: rollout.job, reason: why });
    this.#store.stop(rollout, why);
  }

  /** One that was away when it was its turn. */
  #askLate(stage: JobStage): void {
    if (this.#asked.has(keyOf(stage)) || this.#waves.has(stage.job) || !this.#isThere(stage)) return;
    if (!this.#backoff.isDue(stage.peer, performance.now())) return;
    const { log } = this.#options;
    void this.#ask(stage).then((outcome) => {
      const rollout = this.#store.rollout(stage.job);
      if (outcome === 'failed' && rollout?.state === 'running' && rollout.waves > 1)
        this.#stop(rollout, `it failed at ${stage.name}`);
      else log.info('a release came to a machine that was away', { job: stage.job, recipient: stage.name });
    });
  }

  #isThere({ peer, word }: JobStage): boolean {
    return word !== undefined && !this.isAway(peer);
  }

  /** Never rejects but for a bug: what went wrong stands in the ledger. */
  #ask(stage: JobStage): Promise<Outcome> {
    const key = keyOf(stage);
    const running =
      this.#asked.get(key) ??
      this.#turns.take(() => this.#askOne(stage)).finally(() => this.#asked.delete(key));
    this.#asked.set(key, running);
    return running;
  }

  async #askOne(stage: JobStage): Promise<Outcome> {
    const { member } = this.#options.outreach;
    const { job, peer: id, name, wanted } = stage;
    if (wanted === undefined) return 'done';
    try {
      const peer = this.#peerOf(stage);
      if (stage.word === undefined || this.isAway(id)) {
        const why = stage.word === undefined ? `${name} has not got all of it yet` : `${name} is offline`;
        this.#store.failed(stage, undefined, `${why}: it is ${PAST[wanted]} there when it comes`, true);
        return 'away';
      }
      await this.#asking.ask(stage, peer, wanted, this.#closing.signal);
      this.#backoff.reached(id);
      const failed = this.#store.one(job, id);
      return failed !== undefined && isFailed(failed) ? 'failed' : 'done';
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      if (this.#closing.signal.aborted) return 'away';
      const waits = isPassing(error.code);
      if (waits) this.#backoff.failed(id, performance.now(), Math.random());
      this.#options.log.warn(`a job could not be ${PAST[wanted]}`, { job, recipient: name, error });
      this.#store.failed(stage, error.code, error.message, waits);
      member.events.publish('transfer', {});
      return 'failed';
    }
  }

  /** @throws FilerError `no-such-peer`, `removed` */
  #peerOf({ peer: id, name }: JobStage): KnownPeer {
    const { member } = this.#options.outreach;
    if (member.removals.has(id)) throw new FilerError('removed', `${name} was removed from the network`);
    const peer = member.directory.byId(id);
    if (peer === undefined || peer.state === 'gone')
      throw new FilerError('no-such-peer', `${name} has left the network`);
    return peer;
  }

  get #store(): ReleaseStore {
    return this.#options.outreach.member.releases;
  }

  #now(): number {
    return Date.now();
  }
}

const PAST = { release: 'released', rollback: 'rolled back' } as const;

/** Whether it refused, does not answer, or its program failed. */
export function isFailed({ code, hook, wanted }: JobStage): boolean {
  return (code !== undefined && wanted === undefined) || hook?.state === 'failed';
}

function keyOf({ job, peer }: JobStage): string {
  return `${job} ${peer}`;
}
