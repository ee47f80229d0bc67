import { randomBytes } from 'node:crypto';
import { FilerError, type Membership, type Messenger } from '@filer/protocol';
import { parseTimetable } from '@filer/program';
import type { Collect, CollectRun } from '../store/collect-rows.ts';
import type { Attempt } from './attempt.ts';
import { Deliveries, writeOrTell, type CollectsParts } from './deliveries.ts';
import { dropParts, markOf } from './delivery-parts.ts';
import { OpenRun } from './open-run.ts';
import { expectedNow, freeLabel } from './run-folder.ts';
import { dueAfterJump } from './timing.ts';

/** How often it is looked at what is to be done. */
const TICK_MS = 500;

/** Runs what is to be collected: begins runs when they are due, and sees to it that they are gone on with. */
export class Collects {
  readonly #parts: CollectsParts;
  readonly #deliveries: Deliveries;
  #timer: NodeJS.Timeout | undefined;
  #lastNow = 0;
  #closed = false;

  constructor(parts: CollectsParts) {
    this.#parts = parts;
    this.#deliveries = new Deliveries(parts);
  }

  /** Takes up what the last server of this home left, and begins what was due meanwhile. */
  async start(): Promise<void> {
    const { store, now, steady } = this.#parts;
    this.#lastNow = now();
    const begun = new Map(store.all().map(({ name }) => [name, store.begun(name)]));
    store.takeUp();
    for (const collect of store.all()) {
      const run = store.newest(collect.name);
      if (run === undefined) continue;
      const leftMs = Math.max(0, collect.graceMs - Math.max(0, now() - run.startedAt));
      const open = new OpenRun(collect, run, store.deliveries(run.number), steady() + leftMs);
      const kept = new Set(open.openPeers.map((peer) => markOf(run.id, peer)));
      await dropParts(collect.folder, begun.get(collect.name) ?? [], (mark) => !kept.has(mark));
      this.#deliveries.begin(open);
    }
    this.#correctDue(Number.POSITIVE_INFINITY);
    this.#timer = setInterval(() => this.tick(), TICK_MS);
    this.tick();
  }

  /** Ends what is being delivered; who delivers is asked again by the next server of this home. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#deliveries.close();
  }

  /** Begins what is due, notes what is late, and asks whom it can. */
  tick(): void {
    if (this.#closed) return;
    const { store, now, tell } = this.#parts;
    writeOrTell(tell, () => {
      const time = now();
      if (time < this.#lastNow) this.#correctDue(this.#lastNow);
      this.#lastNow = time;
      for (const collect of store.all()) {
        if (collect.nextAt !== undefined && time >= collect.nextAt) this.#begin(collect, collect.nextAt);
      }
      for (const open of this.#deliveries.runs) {
        this.#deliveries.look(open);
        this.#noteLate(open);
      }
    });
    this.#deliveries.askAll();
  }

  /** Begins a run now. @throws FilerError `path-missing` when there is no such collect; of the store */
  runNow(name: string): CollectRun {
    const collect = this.#parts.store.get(name);
    if (collect === undefined) throw new FilerError('path-missing', `there is no collect ${name}`);
    const run = this.#begin(collect, undefined);
    this.#deliveries.askAll();
    return run;
  }

  /** The collect is removed: nothing of it goes on. */
  async forget(name: string): Promise<void> {
    await this.#deliveries.forget(name);
  }

  /** What goes on with a machine in a run, now. */
  attempt(run: number, peer: string): Attempt | undefined {
    return this.#deliveries.attempt(run, peer);
  }

  /** Takes what a machine delivers. @see TakeUpload */
  async take(messenger: Messenger, from: Membership, run: string, re: string | undefined): Promise<void> {
    await this.#deliveries.take(messenger, from, run, re);
  }

  /** @throws FilerError of the store */
  #begin(collect: Collect, dueAt: number | undefined): CollectRun {
    const { store, directory, log, now, steady } = this.#parts;
    const startedAt = now();
    const expected = expectedNow(store, directory, collect);
    const label = freeLabel(store, collect, expected, startedAt);
    const begun = { id: randomBytes(16).toString('hex'), collect: collect.name, label, dueAt, startedAt };
    const nextAt = dueAt === undefined ? collect.nextAt : parseTimetable(collect.timetable).next(startedAt);
    const run = store.begin(begun, expected, this.#deliveries.delivering(), nextAt);
    const lateAt = steady() + collect.graceMs;
    this.#deliveries.begin(new OpenRun(collect, run, store.deliveries(run.number), lateAt));
    log.info('a collect begins', { collect: collect.name, run: label, machines: expected.length });
    return run;
  }

  /** @param before what the clock said before it jumped; Infinity when nobody knows */
  #correctDue(before: number): void {
    const { store, now, events } = this.#parts;
    for (const { name, timetable, nextAt } of store.all()) {
      if (nextAt === undefined) continue;
      const corrected = dueAfterJump(parseTimetable(timetable), nextAt, before, now());
      if (corrected === nextAt) continue;
      store.setNext(name, corrected);
      events.publish('collect', { name });
    }
  }

  /** Its grace may be over. @throws FilerError of the store */
  #noteLate(open: OpenRun): void {
    const { store, steady, log, events } = this.#parts;
    if (open.isLate || steady() < open.lateAt) return;
    const { number, label, collect } = open.run;
    store.late(number);
    open.setAll(store.deliveries(number));
    events.publish('collect', { name: collect });
    const late = open.openPeers.length;
    if (late > 0) log.warn('machines are late', { collect, run: label, machines: late });
  }
}
