import { FilerError, Semaphore } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { isPassing } from '../jobs/while-lost.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { JobStage, ReleaseStore, Rollout, RolloutAct } from '../store/release-store.ts';
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
  /** By job, what ends the asks of the release or rollback that is the newest. */
  readonly #replaced = new Map<string, AbortController>();
  /** Recipients that are asked now, by job, peer and the number of the rollout. */
  readonly #asked = new Map<string, Promise<Outcome>>();
  /** By job, when the pause before a wave is over, by a clock that nothing sets. */
  readonly #pauses = new Map<
    string,
    { readonly number: number; readonly wave: number; readonly endsAt: number }
  >();
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

  /** Begins a release or a rollback in the place of what runs of that job. */
  begin(
    rollout: Parameters<ReleaseStore['begin']>[0],
    waves: readonly (readonly string[])[],
    keep: number,
  ): void {
    const { job, act } = rollout;
    this.#store.begin(rollout, waves, keep, this.#now());
    this.#endAsks(job, `a newer ${act} of job ${job} was begun`);
    this.look();
  }

  /** Those that have not done it yet are not asked for it any more. @param peers all of them that are meant */
  withdraw(job: string, act: RolloutAct, peers: Iterable<string>): void {
    const stages = new Map(this.#store.of(job).map((stage) => [stage.peer, stage]));
    const isAsked = (peer: string): boolean => {
      const stage = stages.get(peer);
      return stage !== undefined && this.#asked.has(keyOf(stage)) && this.#isThere(stage);
    };
    this.#store.withdraw(job, act, new Map([...peers].map((peer) => [peer, isAsked(peer)])));
    this.#endAsks(job, `the ${act} of job ${job} was withdrawn`);
    this.#options.outreach.member.events.publish('transfer', {});
    this.look();
  }

  #endAsks(job: string, why: string): void {
    this.#replaced.get(job)?.abort(new FilerError('interrupted', why));
    this.#replaced.set(job, new AbortController());
  }

  /** Begins with what is due. A database that fails now is tried again later. */
  look(): void {
    if (this.#closing.signal.aborted) return;
    try {
      for (const rollout of this.#store.running())
        if (this.#isDue(rollout) && !this.#waves.has(rollout.job)) this.#begin(rollout);
      for (const stage of this.#store.waiting()) this.#askLate(stage);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#options.log.warn('releases could not be checked', { error });
    }
  }

  /** Whether its wave may begin. */
  #isDue({ job, number, wave, dueAt }: Rollout): boolean {
    const pause = this.#pauses.get(job);
    if (pause?.number === number && pause.wave === wave) return performance.now() >= pause.endsAt;
    return dueAt <= this.#now();
  }

  /** Aborted when this process ends its part: who follows a release follows it no further. */
  get ending(): AbortSignal {
    return this.#closing.signal;
  }

  /** What runs ends; it continues with the next daemon. May be called twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort(new FilerError('terminated', 'filer-client is stopping'));
    await Promise.allSettled([...this.#waves.values(), ...this.#asked.values()]);
  }

  /** Whether the directory of now says that a peer is not there. */
  isAway(peerId: string): boolean {
    const { member, access } = this.#options.outreach;
    return access.current !== undefined && member.directory.byId(peerId)?.state !== 'online';
  }

  #begin(rollout: Rollout): void {
    const { job } = rollout;
    const running = this.#wave(rollout).then(
      () => {
        this.#waves.delete(job);
        this.look();
      },
      (error: unknown) => {
        // Tried again by the timer, and not at once.
        this.#waves.delete(job);
        if (!(error instanceof FilerError)) throw error;
        this.#options.log.warn('a release could not continue, and is tried again', { job, error });
      },
    );
    this.#waves.set(job, running);
  }

  async #wave(rollout: Rollout): Promise<void> {
    const { job, wave, waves } = rollout;
    const { log } = this.#options;
    const inWave = (): JobStage[] =>
      this.#store.of(job).filter((stage) => stage.rollout === rollout.number && stage.wave === wave);
    const stages = inWave().filter((stage) => stage.wanted !== undefined);
    log.info('a wave of a release begins', { job, wave, waves, machines: stages.length });
    const outcomes = await Promise.all(stages.map((stage) => this.#ask(stage)));
    if (this.#closing.signal.aborted || !this.#isNewest(rollout)) return;
    if (this.#store.rollout(job)?.state !== 'running') return; // withdrawn
    const failed = inWave()
      .filter((stage) => isFailed(stage))
      .map(({ name }) => name);
    const reached = inWave().some((stage) => stage.wanted === undefined);
    // Those that are away get it when they come: of a wave that reached somebody, or where there are no others.
    if (failed.length > 0 || (waves > 1 && outcomes.includes('failed')))
      this.#stop(
        rollout,
        `${waves > 1 ? `wave ${wave} of ${waves}` : 'it'} failed at ${failed.join(', ') || 'a machine that does not answer'}`,
      );
    else if (waves > 1 && !reached) this.#stop(rollout, `no machine of wave ${wave} of ${waves} is there`);
    else {
      this.#store.next(rollout, this.#now());
      const pause = { number: rollout.number, wave: wave + 1, endsAt: performance.now() + rollout.pauseMs };
      if (wave < waves) this.#pauses.set(job, pause);
      else this.#pauses.delete(job);
    }
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
    const facts = { job: stage.job, recipient: stage.name };
    const judge = (outcome: Outcome): void => {
      const rollout = this.#store.rollout(stage.job);
      if (rollout?.number !== stage.rollout || this.#closing.signal.aborted) return;
      if (outcome === 'failed' && rollout.state === 'running' && rollout.waves > 1)
        this.#stop(rollout, `it failed at ${stage.name}`);
      else if (outcome === 'done') log.info('a release came to a machine that was away', facts);
    };
    void this.#ask(stage)
      .then(judge)
      .catch((error: unknown) => {
        if (!(error instanceof FilerError)) throw error;
        log.warn('the answer of a machine could not be stored: it is asked again', { ...facts, error });
      });
  }

  #isNewest({ job, number }: Pick<Rollout, 'job' | 'number'>): boolean {
    return this.#store.rollout(job)?.number === number;
  }

  /** Aborted when this process ends its part, or another release or rollback of the job took the place of this one. */
  #signalOf(job: string): AbortSignal {
    const replaced = this.#replaced.get(job) ?? new AbortController();
    this.#replaced.set(job, replaced);
    return AbortSignal.any([this.#closing.signal, replaced.signal]);
  }

  #isThere({ peer, word }: JobStage): boolean {
    return word !== undefined && !this.isAway(peer);
  }

  /** What went wrong stands in the ledger. @throws FilerError only where that cannot be written */
  #ask(stage: JobStage): Promise<Outcome> {
    const key = keyOf(stage);
    const signal = this.#signalOf(stage.job);
    const running =
      this.#asked.get(key) ??
      this.#turns.take(() => this.#askOne(stage, signal)).finally(() => this.#asked.delete(key));
    this.#asked.set(key, running);
    return running;
  }

  async #askOne(stage: JobStage, signal: AbortSignal): Promise<Outcome> {
    const { member } = this.#options.outreach;
    const { job, peer: id, name, wanted } = stage;
    if (wanted === undefined) return 'done';
    if (signal.aborted) return 'away';
    try {
      const peer = this.#peerOf(stage);
      if (stage.word === undefined || this.isAway(id)) {
        const why =
          stage.word === undefined ? `${name} has not received all of it yet` : `${name} is offline`;
        this.#store.failed(stage, undefined, `${why}: it is ${PAST[wanted]} there when it comes`, true);
        return 'away';
      }
      await this.#asking.ask(stage, peer, wanted, signal);
      this.#backoff.reached(id);
      const failed = this.#store.one(job, id);
      return failed !== undefined && isFailed(failed) ? 'failed' : 'done';
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      if (signal.aborted) return 'away';
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

function keyOf({ job, peer, rollout }: JobStage): string {
  return `${job} ${peer} ${rollout}`;
}
