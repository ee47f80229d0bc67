import { randomBytes } from 'node:crypto';
import { FilerError, type Membership, type Messenger } from '@filer/protocol';
import { parseTimetable } from '@filer/program';
import type { Begun, Collect, CollectRun, Expected, Machine } from '../store/collect-store.ts';
import type { Attempt } from './attempt.ts';
import { answersNow, isTaken } from './collect-folder.ts';
import { Deliveries, writeOrTell, type CollectsParts } from './deliveries.ts';
import { dropParts, markOf } from './delivery-parts.ts';
import { OpenRun } from './open-run.ts';
import { dueAfterJump } from './timing.ts';
import { join } from 'node:path';
import type { Directory } from '../network/directory.ts';

/** How often it is looked at what is to be done. */
const TICK_MS = 500;

/** How often it is read what other servers have begun and received: so many ticks. */
const TICKS_A_READ = 4;

/** So many names of a run say no second: another run, which left its files there, may be called so. */
const WITHOUT_SECONDS = 2;

/** What others change is read so much longer than it was not read: a change may be made well before it is seen. */
const OVERLAP_MS = 10_000;

/** Runs what is to be collected: begins runs when they are due, and sees to it that they are resumed. */
export class Collects {
  readonly #parts: CollectsParts;
  readonly #deliveries: Deliveries;
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<void> | undefined;
  /** What others changed before that is known, by the steady clock. */
  #followedAt = 0;
  #lastNow = 0;
  #ticks = 0;
  #closed = false;

  constructor(parts: CollectsParts) {
    this.#parts = parts;
    this.#deliveries = new Deliveries(parts);
  }

  /** Takes up what the last server of this home left, and begins what was due meanwhile. */
  async start(): Promise<void> {
    const { store, now, steady } = this.#parts;
    this.#lastNow = now();
    const collects = await store.all();
    this.#followedAt = steady();
    const begun = new Map<string, Begun[]>();
    for (const { name } of collects) begun.set(name, await store.begun(name));
    await store.takeUp();
    for (const collect of collects) {
      const run = await store.newest(collect.name);
      if (run === undefined) continue;
      const leftMs = Math.max(0, collect.graceMs - Math.max(0, now() - run.startedAt));
      const open = new OpenRun(collect, run, await store.deliveries(run.number), steady() + leftMs);
      const came = begun.get(collect.name) ?? [];
      const others = came.filter(({ elsewhere }) => elsewhere);
      const own = came.filter(
        ({ id, peer, elsewhere }) => !elsewhere && !(id === run.id && open.row(peer)?.elsewhere),
      );
      const kept = new Set([
        ...open.openPeers.map((peer) => markOf(run.id, peer)),
        ...others.map(({ id, peer }) => markOf(id, peer)),
      ]);
      await dropParts(collect.folder, own, (mark) => !kept.has(mark));
      this.#deliveries.begin(open);
    }
    if (this.#parts.isLeader?.() ?? true) await this.#correctDue(Number.POSITIVE_INFINITY);
    this.#timer = setInterval(() => void this.tick(), TICK_MS);
    await this.tick();
  }

  /** Ends what is being delivered; who delivers is asked again by the next server of this home. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#ticking;
    await this.#deliveries.close();
  }

  /** Begins what is due, notes what is late, and asks whom it can. A tick that is still at it is not overtaken. */
  tick(): Promise<void> {
    this.#ticking ??= this.#tick().finally(() => (this.#ticking = undefined));
    return this.#ticking;
  }

  async #tick(): Promise<void> {
    if (this.#closed) return;
    const { store, now, tell, isLeader } = this.#parts;
    await writeOrTell(tell, async () => {
      const leads = isLeader?.() ?? true;
      const follows = isLeader !== undefined && this.#ticks++ % TICKS_A_READ === 0;
      if (follows) await this.#follow();
      const time = now();
      if (time < this.#lastNow && leads) await this.#correctDue(this.#lastNow);
      this.#lastNow = time;
      for (const collect of leads ? await store.all() : [])
        if (collect.nextAt !== undefined && time >= collect.nextAt)
          await this.#begin(collect, collect.nextAt);
      for (const open of this.#deliveries.runs) {
        await this.#deliveries.look(open);
        if (leads) await this.#noteLate(open);
      }
      return leads || follows;
    });
    this.#deliveries.askAll();
  }

  /** Takes in what other servers have begun, received and removed. @throws FilerError of the store */
  async #follow(): Promise<void> {
    const { store, now, steady } = this.#parts;
    const readAt = steady();
    const withinMs = Math.ceil(readAt - this.#followedAt + OVERLAP_MS);
    const collects = await store.all();
    for (const collect of collects) {
      await this.#deliveries.ledger.take(async () => {
        const run = await store.newest(collect.name);
        if (run === undefined) return;
        const known = this.#deliveries.runs.find((open) => open.collect.name === collect.name);
        if (known?.run.number === run.number)
          for (const row of await store.deliveries(run.number, withinMs)) known.set(row);
        else if ((known?.run.number ?? -1) < run.number) {
          const rows = await store.deliveries(run.number);
          const leftMs = Math.max(0, collect.graceMs - Math.max(0, now() - run.startedAt));
          await this.#refresh(known);
          this.#deliveries.begin(new OpenRun(collect, run, rows, steady() + leftMs));
        }
      });
    }
    this.#followedAt = readAt;
    const names = new Set(collects.map(({ name }) => name));
    for (const { collect } of this.#deliveries.runs)
      if (!names.has(collect.name)) await this.#deliveries.forget(collect.name);
  }

  /** What others receive in a run that ends stays where it is. @throws FilerError of the store */
  async #refresh(known: OpenRun | undefined): Promise<void> {
    if (known === undefined || this.#parts.isLeader === undefined) return;
    for (const row of await this.#parts.store.deliveries(known.run.number)) known.refresh(row);
  }

  /** Begins a run now. @throws FilerError `path-missing` when there is no such collect; of the store */
  async runNow(name: string): Promise<CollectRun> {
    const collect = await this.#parts.store.get(name);
    const run = collect === undefined ? undefined : await this.#begin(collect, undefined);
    if (run === undefined) throw new FilerError('path-missing', `there is no collect ${name}`);
    this.#deliveries.askAll();
    return run;
  }

  /** The collect is removed: nothing of it continues. */
  async forget(name: string): Promise<void> {
    await this.#deliveries.forget(name);
  }

  /** What continues with a machine in a run, now. */
  attempt(run: number, peer: string): Attempt | undefined {
    return this.#deliveries.attempt(run, peer);
  }

  /** Takes what a machine delivers. @see TakeUpload */
  async take(messenger: Messenger, from: Membership, run: string, re: string | undefined): Promise<void> {
    await this.#deliveries.take(messenger, from, run, re);
  }

  /** @returns undefined when it was removed, or another server has begun what was due. @throws FilerError of the store */
  #begin(collect: Collect, dueAt: number | undefined): Promise<CollectRun | undefined> {
    const { store, directory, log, now, steady } = this.#parts;
    const { name, folder, graceMs, timetable } = collect;
    return this.#deliveries.ledger.take(async () => {
      const startedAt = now();
      const expected = await store.claimFolders(folder, expectedNow(directory, collect));
      const due =
        dueAt === undefined ? undefined : { at: dueAt, next: parseTimetable(timetable).next(startedAt) };
      const id = randomBytes(16).toString('hex');
      for await (const label of freeLabels(folder, expected, startedAt)) {
        const delivering = this.#deliveries.delivering();
        const run = await store.begin({ id, collect: name, label, startedAt, expected, delivering, due });
        if (run === 'label-taken') continue;
        if (typeof run === 'string') return undefined;
        const lateAt = steady() + graceMs;
        await this.#refresh(this.#deliveries.runs.find((open) => open.collect.name === name));
        this.#deliveries.begin(new OpenRun(collect, run, await store.deliveries(run.number), lateAt));
        log.info('a collect begins', { collect: name, run: label, machines: expected.length });
        return run;
      }
      return undefined;
    });
  }

  /** @param before what the clock said before it jumped; Infinity when no one knows */
  async #correctDue(before: number): Promise<void> {
    const { store, now, events } = this.#parts;
    for (const { name, timetable, nextAt } of await store.all()) {
      if (nextAt === undefined) continue;
      const corrected = dueAfterJump(parseTimetable(timetable), nextAt, before, now());
      if (corrected === nextAt || !(await store.setNext(name, nextAt, corrected))) continue;
      events.publish('collect', { name });
    }
  }

  /** Its grace may be over. @throws FilerError of the store */
  async #noteLate(open: OpenRun): Promise<void> {
    const { store, steady, log, events } = this.#parts;
    if (open.isLate || steady() < open.lateAt) return;
    const { number, label, collect } = open.run;
    await this.#deliveries.ledger.take(async () => open.setAll(await store.late(number)));
    events.publish('collect', { name: collect });
    const late = open.openPeers.length;
    if (late > 0) log.warn('machines are late', { collect, run: label, machines: late });
  }
}

/** Whom a run that begins now expects. */
function expectedNow(directory: Directory, { sources }: Collect): Machine[] {
  return directory
    .all()
    .filter(({ status, membership }) => status === 'member' && isAmong(sources, membership))
    .map(({ membership: { id, name } }) => ({ peer: id, name }));
}

/** Whether a machine is among those that are named. */
function isAmong(sources: readonly string[], { id, groups }: Membership): boolean {
  return sources.some(
    (source) => source === '@all' || source === id || groups.some((group) => source === `@${group}`),
  );
}

/**
 * What a run may be called: its day, by this machine's calendar; with the time where another run was called so.
 *
 * @param startedAt ms since the epoch
 */
export function* runLabels(startedAt: number): Generator<string, never, void> {
  const at = new Date(startedAt);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const minute = `${day}T${two(at.getHours())}-${two(at.getMinutes())}`;
  const second = `${minute}-${two(at.getSeconds())}`;
  yield* [day, minute, second];
  for (let n = 2; ; n++) yield `${second}-${n}`;
}

/** What a run may be called so that nothing is yet where its files will be; where the folder does not answer, by the second. */
async function* freeLabels(
  root: string,
  expected: readonly Expected[],
  startedAt: number,
): AsyncGenerator<string, void, void> {
  if (await answersNow(root)) {
    for (const label of runLabels(startedAt)) {
      const paths = expected.map(({ folder }) => join(folder, label));
      const taken = await isTaken(root, label, paths);
      if (taken === undefined) break;
      if (!taken) yield label;
    }
  }
  yield* runLabels(startedAt).drop(WITHOUT_SECONDS);
}
