import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyPair, FilerError, type Session } from '@filer/protocol';
import { createLogger, parseCron, parseEvery, NO_EVENTS } from '@filer/program';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Collects } from '../../apps/ip-server/src/collect/collects.ts';
import { runLabel } from '../../apps/ip-server/src/collect/run-folder.ts';
import { isSlowEnough } from '../../apps/ip-server/src/collect/timing.ts';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../support/ip-server.ts';
import { PaperNetwork } from './members.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON = new Date(2026, 10, 21, 12).getTime();

/** A server's collects without the server: both clocks are the test's, and so is who is online. */
class Bench {
  now = NOON;
  steady = 0;
  readonly online = new Map<string, Session>();
  readonly folder: string;
  readonly store: Store;
  readonly directory: Directory;
  readonly #paper = new PaperNetwork();
  collects: Collects;

  private constructor(folder: string, store: Store, directory: Directory) {
    this.folder = folder;
    this.store = store;
    this.directory = directory;
    this.collects = this.#make();
  }

  static async open(): Promise<Bench> {
    const folder = await freshFolder();
    await mkdir(join(folder, 'files'));
    const store = openStore(join(folder, 'test.db'));
    const bench = new Bench(folder, store, await Directory.open(store.registry, NOON));
    onTestFinished(async () => {
      await bench.collects.close();
      bench.store.close();
    });
    return bench;
  }

  #make(): Collects {
    return new Collects({
      events: NO_EVENTS,
      agesNow: Date.now,
      network: this.#paper.networkKey.id,
      keyPair: createKeyPair(),
      keepFreeBytes: 0,
      maxFileBytes: undefined,
      maxFiles: undefined,
      store: this.store.collects,
      directory: this.directory,
      sessionOf: (id) => this.online.get(id),
      tell: (problem) => {
        if (problem !== undefined) throw problem;
      },
      log: this.#log,
      now: () => this.now,
      steady: () => this.steady,
    });
  }

  readonly #log = silent;

  async join(name: string): Promise<string> {
    const membership = this.#paper.membership(name);
    await this.directory.admit({ membership, countsUse: false, now: this.now });
    return membership.id;
  }

  add(timetable: string, graceMs = 600_000): void {
    this.store.collects.add({
      name: 'x',
      sources: ['@all'],
      paths: ['x/**'],
      timetable: { kind: 'every', text: timetable },
      folder: join(this.folder, 'files'),
      graceMs,
      createdAt: this.now,
      nextAt: parseEvery(timetable).next(this.now),
    });
  }

  /** As after a restart. */
  async restart(): Promise<void> {
    await this.collects.close();
    this.collects = this.#make();
    await this.collects.start();
  }

  at(now: number): this {
    this.steady += Math.max(0, now - this.now);
    this.now = now;
    this.collects.tick();
    return this;
  }

  get runs(): string[] {
    return this.store.collects
      .runs('x', 100)
      .map(({ label }) => label)
      .toReversed();
  }

  states(label?: string): Record<string, string> {
    const run = label === undefined ? this.store.collects.newest('x') : this.store.collects.run('x', label);
    const rows = this.store.collects.deliveries(run?.number ?? -1);
    return Object.fromEntries(rows.map(({ name, state, late }) => [name, late ? `${state} late` : state]));
  }
}

const silent = await createLogger({ stream: { write: () => true } });

describe('runs', () => {
  test('are begun when they are due, once for all that were missed, whatever the clock does', async () => {
    const bench = await Bench.open();
    bench.add('day@18:00');
    await bench.collects.start();
    expect(bench.runs).toEqual([]);
    bench.at(NOON + 6 * HOUR_MS - 1);
    expect(bench.runs).toEqual([]);
    bench.at(NOON + 6 * HOUR_MS);
    expect(bench.runs).toEqual(['2026-11-21']);
    // A clock that is set back by minutes begins nothing twice.
    bench.at(NOON + 5.9 * HOUR_MS).at(NOON + 6.1 * HOUR_MS);
    expect(bench.runs).toEqual(['2026-11-21']);
    // Three days are asleep, or jumped over.
    bench.at(NOON + 3 * DAY_MS + 7 * HOUR_MS);
    bench.at(NOON + 3 * DAY_MS + 8 * HOUR_MS);
    expect(bench.runs).toEqual(['2026-11-21', '2026-11-24']);
    // A clock that was a year ahead does not silence it for a year.
    bench.at(NOON + 366 * DAY_MS).at(NOON + 4 * DAY_MS);
    expect(bench.runs).toHaveLength(3);
    bench.at(NOON + 4 * DAY_MS + 6 * HOUR_MS);
    expect(bench.runs.at(-1)).toBe('2026-11-25');
  });

  test('that were due while the server was down are made up by one', async () => {
    const bench = await Bench.open();
    bench.add('6h');
    await bench.collects.start();
    await bench.collects.close();
    bench.now += 10 * DAY_MS;
    await bench.restart();
    expect(bench.runs).toEqual(['2026-12-01']);
    bench.at(bench.now + 6 * HOUR_MS);
    expect(bench.runs).toEqual(['2026-12-01', '2026-12-01T18-00']);
  });

  test('expect who is a member when they begin; who leaves is taken off, who comes later is not in it', async () => {
    const bench = await Bench.open();
    const anna = await bench.join('anna');
    await bench.join('bob');
    bench.add('6h');
    await bench.collects.start();
    bench.collects.runNow('x');
    await bench.join('carol');
    await bench.directory.leave(anna);
    bench.collects.tick();
    expect(bench.states()).toEqual({ anna: 'left', bob: 'waiting' });
    bench.collects.runNow('x');
    expect(bench.states('2026-11-21')).toEqual({ anna: 'left', bob: 'missing late' });
    expect(bench.states()).toEqual({ bob: 'waiting', carol: 'waiting' });
  });

  test('have machines that are late after the grace by a steady clock, also after a restart', async () => {
    const bench = await Bench.open();
    await bench.join('anna');
    bench.add('6h', 60_000);
    await bench.collects.start();
    bench.collects.runNow('x');
    bench.now += HOUR_MS; // a jump alone makes nobody late
    bench.collects.tick();
    expect(bench.states()).toEqual({ anna: 'waiting' });
    bench.now -= HOUR_MS;
    bench.at(bench.now + 59_000);
    await bench.restart();
    expect(bench.states()).toEqual({ anna: 'waiting' });
    bench.at(bench.now + 1_000);
    expect(bench.states()).toEqual({ anna: 'waiting late' });
  });
});

describe('of many machines', () => {
  /** Machines that never answer. */
  async function asked(machines: number): Promise<{ bench: Bench; count: () => number }> {
    const bench = await Bench.open();
    let count = 0;
    for (let n = 0; n < machines; n++) {
      const session = {
        ask: (_: unknown, { signal }: { signal: AbortSignal }) => {
          count++;
          return new Promise((_resolve, reject) =>
            signal.addEventListener('abort', () =>
              reject(new FilerError('interrupted', 'not asked any more')),
            ),
          );
        },
      };
      bench.online.set(await bench.join(`m${n}`), session as unknown as Session);
    }
    bench.add('6h');
    await bench.collects.start();
    bench.collects.runNow('x');
    return { bench, count: () => count };
  }

  test('eight are asked at a time, and slow ones make room, up to 48', async () => {
    const { bench, count } = await asked(100);
    expect(count()).toBe(8);
    bench.at(bench.now + 29_000);
    expect(count()).toBe(8);
    for (const all of [16, 24, 32, 40, 48, 48]) {
      bench.at(bench.now + 31_000);
      expect(count()).toBe(all);
    }
  });

  test('a next run asks them anew', async () => {
    const { bench, count } = await asked(5);
    expect(count()).toBe(5);
    bench.collects.runNow('x');
    expect(count()).toBe(10);
  });
});

test('a collect that is removed asks nobody any more', async () => {
  const bench = await Bench.open();
  await bench.join('anna');
  bench.add('6h');
  await bench.collects.start();
  bench.collects.runNow('x');
  bench.store.collects.remove('x');
  await bench.collects.forget('x');
  bench.at(bench.now + DAY_MS);
  expect(bench.runs).toEqual([]);
  expect(() => bench.collects.runNow('x')).toThrow(FilerError);
});

test('a run is called by its day, or by its time where that is taken', () => {
  const taken = new Set<string>();
  const at = new Date(2026, 0, 2, 3, 4, 5).getTime();
  const labels = Array.from({ length: 5 }, () => {
    const label = runLabel(at, (each) => taken.has(each));
    taken.add(label);
    return label;
  });
  expect(labels).toEqual([
    '2026-01-02',
    '2026-01-02T03-04',
    '2026-01-02T03-04-05',
    '2026-01-02T03-04-05-2',
    '2026-01-02T03-04-05-3',
  ]);
});

test('runs leave machines ten seconds at least', () => {
  expect(isSlowEnough(parseEvery('10s'), NOON)).toBe(true);
  expect(isSlowEnough(parseEvery('9s'), NOON)).toBe(false);
  expect(isSlowEnough(parseCron('*/5 * * * * *'), NOON)).toBe(false);
});
