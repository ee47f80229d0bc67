import { FilerError, formatCollect, Semaphore, type Membership, type Messenger } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Directory } from '../network/directory.ts';
import type { LiveSession, LiveSessions } from '../network/live-sessions.ts';
import type { CollectStore, Delivery, FailedTry } from '../store/collect-store.ts';
import { Attempt, Attempts } from './attempt.ts';
import { requireFolder } from './collect-folder.ts';
import { dropParts, markOf } from './delivery-parts.ts';
import type { OpenRun } from './open-run.ts';
import { DeliveryReceiver, failureOf, tryThatFailed, type DeliveryRules } from './receive-delivery.ts';

export interface CollectsParts extends DeliveryRules {
  readonly store: CollectStore;
  readonly directory: Directory;
  readonly live: LiveSessions;
  /** Whether this is the server that begins runs and says who is late; undefined where there is no other. */
  readonly isLeader?: (() => boolean) | undefined;
  /** Told whether the store works. */
  readonly tell: (problem: FilerError | undefined) => void;
  readonly log: Logger;
  /** ms since the epoch */
  readonly now: () => number;
  /** ms of a clock that does not jump */
  readonly steady: () => number;
}

/** A machine that has promised to deliver opens its connection within this. */
const PROMISE_MS = 60_000;

/** Who is asked for what the newest runs collect, and what comes of it. */
export class Deliveries {
  /** Changes of the ledger: what one of them was decided by is not changed by another one meanwhile. */
  readonly ledger = new Semaphore(1);
  readonly #parts: CollectsParts;
  readonly #receiver: DeliveryReceiver;
  readonly #attempts = new Attempts();
  /** The newest run of each collect, by its name: only that is resumed. */
  readonly #open = new Map<string, OpenRun>();
  #closed = false;

  constructor(parts: CollectsParts) {
    this.#parts = parts;
    this.#receiver = new DeliveryReceiver(parts);
  }

  get runs(): readonly OpenRun[] {
    return [...this.#open.values()];
  }

  /** What continues with a machine in a run, now. */
  attempt(run: number, peer: string): Attempt | undefined {
    return this.#attempts.get(run, peer);
  }

  /** Who delivers, and in which run. */
  delivering(): ReturnType<Attempts['delivering']> {
    return this.#attempts.delivering();
  }

  /** Continues with this run of a collect from now on, and with none before it but for who is just delivering. Within a change of the ledger. */
  begin(open: OpenRun): void {
    const { name } = open.collect;
    const idle = this.#attempts.all.filter(
      (attempt) => attempt.collect.name === name && attempt.phase !== 'delivering',
    );
    void this.#end(idle, new FilerError('interrupted', 'the next run has begun'));
    const before = this.#open.get(name);
    if (before !== undefined)
      this.#tidy(
        before,
        before.openPeers.filter((peer) => !this.#delivers(before, peer)),
      );
    this.#open.set(name, open);
    this.#changed(name);
  }

  /** Ends all of a collect. */
  async forget(name: string): Promise<void> {
    await this.ledger.take(async () => this.#open.delete(name));
    const attempts = this.#attempts.all.filter(({ collect }) => collect.name === name);
    await this.#end(attempts, new FilerError('refused', 'the collect was removed'));
  }

  /** Ends what is being delivered. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end(this.#attempts.all, new FilerError('terminated', 'the ip-server is stopping'));
    await this.ledger.take(async () => undefined);
  }

  /** Notes who is no member any more, and who does not keep its promise. @throws FilerError of the store */
  async look(open: OpenRun): Promise<void> {
    const { store, directory, live, steady } = this.#parts;
    const { number } = open.run;
    for (const peer of open.openPeers) {
      const status = directory.get(peer)?.status;
      if (status === 'left' || status === 'removed') {
        await this.ledger.take(async () => open.set(await store.gone(number, peer, status)));
        this.#changed(open.collect.name);
        const attempts = this.#attempts.all.filter(
          (each) => each.run.number === number && each.peer === peer,
        );
        void this.#end(attempts, new FilerError('not-a-member', 'the machine has left the network'));
        if (!this.#delivers(open, peer)) this.#tidy(open, [peer]);
      }
    }
    for (const attempt of this.#attempts.all) {
      if (attempt.run.number !== number || attempt.phase !== 'asked' || !this.#attempts.has(attempt))
        continue;
      const session = live.of(attempt.peer);
      if (session !== undefined && session.id !== attempt.session?.id) {
        const why = 'it was lost before it delivered';
        await this.#fail(open, attempt, new FilerError('connection-closed', why));
      } else if (steady() - attempt.phaseSince >= PROMISE_MS) {
        const why = `it promised to deliver and did not connect within ${PROMISE_MS / 1_000} s`;
        await this.#fail(open, attempt, new FilerError('timed-out', why));
      }
    }
  }

  /** Asks whom it can, as long as there is room. */
  askAll(): void {
    if (this.#closed) return;
    const { live, steady } = this.#parts;
    for (const open of this.#open.values()) {
      for (const peer of open.openPeers) {
        const session = live.of(peer);
        if (session === undefined || open.isPaused(peer, steady(), session)) continue;
        if (!this.#attempts.hasRoom(steady())) return;
        if (this.#attempts.of(open.collect.name, peer) !== undefined) continue;
        const attempt = new Attempt(open.collect, open.run, peer, steady(), session);
        this.#attempts.add(attempt);
        void this.#ask(open, attempt, session);
      }
    }
  }

  async #ask(open: OpenRun, attempt: Attempt, session: LiveSession): Promise<void> {
    const { collect, run, peer } = attempt;
    const { signal } = attempt.stop;
    try {
      const question = formatCollect({ run: run.id, name: collect.name, paths: collect.paths });
      await this.#parts.live.ask(session, question, { signal });
      // What it delivers is ahead of its answer.
      if (attempt.phase !== 'asking') return;
      attempt.enter('asked', this.#parts.steady());
      await this.#noteAsked(open, peer);
      if (signal.aborted) throw signal.reason;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      // What it delivers has its own end.
      if (attempt.phase !== 'delivering' && this.#attempts.has(attempt))
        await this.#fail(open, attempt, error);
    }
  }

  async #noteAsked(open: OpenRun, peer: string, receives = false): Promise<void> {
    const { store, now } = this.#parts;
    await this.#change(async () => open.set(await store.asked(open.run.number, peer, now(), receives)));
    this.#changed(open.collect.name);
  }

  /** It was not to be had this time. */
  async #fail(open: OpenRun, attempt: Attempt, why: FilerError): Promise<void> {
    const error = why.code === 'unsupported' ? tooOld(why) : why;
    const { run, collect, peer } = attempt;
    // It may deliver all the same from now on, in another attempt.
    this.#attempts.end(attempt);
    const name = open.row(peer)?.name;
    this.#parts.log.warn('a machine does not deliver', {
      collect: collect.name,
      run: run.label,
      peer: name,
      why: error,
    });
    await this.#noteFailed(open, attempt, tryThatFailed(error));
  }

  /** One that is not in the newest run any more, and has not delivered, is missing. */
  #noteFailed(open: OpenRun, attempt: Attempt, failed: FailedTry): Promise<void> {
    const { run, collect, peer } = attempt;
    return this.#note(open, attempt, () => {
      const isNewest = this.#open.get(collect.name) === open;
      return this.#parts.store.failed(run.number, peer, isNewest ? failed : { ...failed, state: 'missing' });
    });
  }

  /** Notes how an attempt ended. */
  async #note(open: OpenRun, attempt: Attempt, write: () => Promise<Delivery | undefined>): Promise<void> {
    const { steady, live } = this.#parts;
    const { peer, collect } = attempt;
    open.pause(peer, steady(), live.of(peer));
    await this.#change(async () => {
      try {
        open.set(await write());
      } finally {
        this.#attempts.end(attempt);
      }
    });
    this.#changed(collect.name);
    if (this.#open.get(collect.name) !== open || !open.isOpen(peer)) this.#tidy(open, [peer]);
  }

  /** One change of the ledger, after those before it. */
  #change(work: () => Promise<void>): Promise<void> {
    return this.ledger.take(() => writeOrTell(this.#parts.tell, work));
  }

  #delivers({ run }: OpenRun, peer: string): boolean {
    return this.#attempts.get(run.number, peer)?.phase === 'delivering';
  }

  /** What came half of machines that do not continue with it in this run goes. */
  #tidy(open: OpenRun, peers: readonly string[]): void {
    const { collect, run } = open;
    const dropped = peers.filter((peer) => open.row(peer)?.elsewhere !== true);
    const marks = new Set(dropped.map((peer) => markOf(run.id, peer)));
    const folders = dropped.flatMap((peer) => {
      const row = open.row(peer);
      return row?.askedAt === undefined ? [] : [{ folder: row.folder, label: run.label }];
    });
    void dropParts(collect.folder, folders, (mark) => marks.has(mark));
  }

  /** Takes what a machine delivers. @param id the run's @param re what the answer repeats */
  async take(
    messenger: Messenger,
    { id: peer, name }: Membership,
    id: string,
    re: string | undefined,
  ): Promise<void> {
    // A machine that was killed may be back before its old connection is known to be dead.
    for (let before = this.#asked(id, peer).attempt; before?.phase === 'delivering';) {
      before.stop.abort(new FilerError('connection-closed', 'the machine has started again'));
      await before.over;
      before = this.#asked(id, peer).attempt;
    }
    const {
      open,
      row,
      attempt = new Attempt(open.collect, open.run, peer, this.#parts.steady()),
    } = this.#asked(id, peer);
    const isShared = this.#parts.isLeader !== undefined;
    this.#attempts.add(attempt);
    attempt.enter('delivering', this.#parts.steady());
    this.#changed(open.collect.name);
    try {
      // Its answer may come behind what it delivers.
      if (row.askedAt === undefined || isShared) await this.#noteAsked(open, peer, true);
      // Another server may have begun the next run meanwhile.
      if (!open.isOpen(peer)) throw runOver();
      await requireFolder(open.collect.folder);
      await messenger.send({
        type: 'ok',
        ...(re === undefined ? {} : { re }),
      });
      const outcome = await this.#receiver.receive(messenger, attempt, row.folder);
      const failed = failureOf(outcome);
      const { log, store, now } = this.#parts;
      const about = { collect: open.collect.name, run: open.run.label, peer: name };
      if (failed === undefined) {
        const files = outcome.filesDelivered + outcome.filesSkipped;
        const bytes = outcome.bytesTotal;
        const delivered = { at: now(), files, bytes };
        await this.#note(open, attempt, () => store.delivered(open.run.number, peer, delivered));
        log.info('collected', { ...about, files, bytes });
      } else {
        await this.#noteFailed(open, attempt, failed);
        log.warn('a machine did not deliver', { ...about, code: failed.code, why: failed.reason });
      }
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      await this.#noteFailed(open, attempt, tryThatFailed(error));
      throw error;
    } finally {
      this.#attempts.end(attempt);
      this.askAll();
    }
  }

  /** @throws FilerError `refused` when the machine was not asked, or has delivered */
  #asked(id: string, peer: string): { open: OpenRun; row: Delivery; attempt?: Attempt } {
    const open = [...this.#open.values()].find(({ run }) => run.id === id);
    const row = open?.row(peer);
    const attempt = open === undefined ? undefined : this.#attempts.get(open.run.number, peer);
    const isAsked = row?.askedAt !== undefined || attempt !== undefined;
    if (this.#closed || open === undefined || row === undefined || !isAsked || !open.isOpen(peer))
      throw runOver();
    return { open, row, ...(attempt === undefined ? {} : { attempt }) };
  }

  async #end(attempts: readonly Attempt[], reason: FilerError): Promise<void> {
    for (const attempt of attempts) {
      attempt.stop.abort(reason);
      if (attempt.phase !== 'delivering') this.#attempts.end(attempt);
    }
    await Promise.all(attempts.map(({ over }) => over));
  }

  #changed(name: string): void {
    this.#parts.events.publish('collect', { name });
  }
}

/**
 * What the store cannot take is told, and tried again with the next tick or try.
 *
 * @param work resolves with false when it has asked the store nothing: that says nothing of it
 */
export async function writeOrTell(
  tell: CollectsParts['tell'],
  work: () => Promise<boolean | void>,
): Promise<void> {
  try {
    if ((await work()) !== false) tell(undefined);
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    tell(error);
  }
}

function runOver(): FilerError {
  return new FilerError('refused', 'that run is over, or has not asked this machine for anything');
}

function tooOld(cause: FilerError): FilerError {
  return new FilerError('unsupported', 'its filer-client knows no collects: update it there', { cause });
}
