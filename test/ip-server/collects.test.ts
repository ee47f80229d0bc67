import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyPair, FilerError, type Message } from '@filer/protocol';
import { createLogger, parseCron, parseEvery, NO_EVENTS } from '@filer/program';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Collects } from '../../apps/ip-server/src/collect/collects.ts';
import { runLabels } from '../../apps/ip-server/src/collect/collects.ts';
import { isSlowEnough } from '../../apps/ip-server/src/collect/timing.ts';
import { Directory } from '../../apps/ip-server/src/network/directory.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import { openMemoryStore } from '../../apps/ip-server/src/store/memory/open.ts';
import { lookAt } from '../../apps/ip-server/src/uploads/folder-look.ts';
import { freshFolder } from '../support/ip-server.ts';
import { PaperNetwork } from './members.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON = new Date(2026, 10, 21, 12).getTime();

type Answer = (signal: AbortSignal | undefined) => Promise<Message>;

/** A server's collects without the server: both clocks are the test's, and so is who is online. */
class Bench {
  now = NOON;
  steady = 0;
  readonly online = new Map<string, Answer>();
  /** Whether another server begins runs; then what the store is said to be like is noted. */
  isFollower = false;
  readonly told: (string | undefined)[] = [];
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
    const store = openMemoryStore();
    const bench = new Bench(folder, store, await Directory.open(store.registry, NOON));
    onTestFinished(() => bench.collects.close());
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
      maxSize: 'half',
      store: this.store.collects,
      directory: this.directory,
      live: {
        of: (peer) => (this.online.has(peer) ? { peer, server: 'S', id: peer } : undefined),
        ask: ({ peer }, _, { signal } = {}) =>
          this.online.get(peer)?.(signal) ?? Promise.reject(new Error(peer)),
        send: () => Promise.resolve(0),
      },
      ...(this.isFollower ? { isLeader: () => false } : {}),
      tell: (problem) => {
        if (this.isFollower) this.told.push(problem?.code);
        else if (problem !== undefined) throw problem;
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

  async add(timetable: string, graceMs = 600_000): Promise<void> {
    await this.store.collects.add({
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

  async at(now: number): Promise<void> {
    this.steady += Math.max(0, now - this.now);
    this.now = now;
    await this.collects.tick();
  }

  async runs(): Promise<string[]> {
    const runs = await this.store.collects.runs('x', 100);
    return runs.map(({ label }) => label).toReversed();
  }

  async states(label?: string): Promise<Record<string, string>> {
    const { collects } = this.store;
    const run = await (label === undefined ? collects.newest('x') : collects.run('x', label));
    const rows = await collects.deliveries(run?.number ?? -1);
    return Object.fromEntries(rows.map(({ name, state, late }) => [name, late ? `${state} late` : state]));
  }
}

const silent = await createLogger({ stream: { write: () => true } });

describe('runs', () => {
  test('are begun when they are due, once for all that were missed, whatever the clock does', async () => {
    const bench = await Bench.open();
    await bench.add('day@18:00');
    await bench.collects.start();
    expect(await bench.runs()).toEqual([]);
    await bench.at(NOON + 6 * HOUR_MS - 1);
    expect(await bench.runs()).toEqual([]);
    await bench.at(NOON + 6 * HOUR_MS);
    expect(await bench.runs()).toEqual(['2026-11-21']);
    // A clock that is set back by minutes begins nothing twice.
    await bench.at(NOON + 5.9 * HOUR_MS);
    await bench.at(NOON + 6.1 * HOUR_MS);
    expect(await bench.runs()).toEqual(['2026-11-21']);
    // Three days are asleep, or jumped over.
    await bench.at(NOON + 3 * DAY_MS + 7 * HOUR_MS);
    await bench.at(NOON + 3 * DAY_MS + 8 * HOUR_MS);
    expect(await bench.runs()).toEqual(['2026-11-21', '2026-11-24']);
    // A clock that was a year ahead does not silence it for a year.
    await bench.at(NOON + 366 * DAY_MS);
    await bench.at(NOON + 4 * DAY_MS);
    expect(await bench.runs()).toHaveLength(3);
    await bench.at(NOON + 4 * DAY_MS + 6 * HOUR_MS);
    expect((await bench.runs()).at(-1)).toBe('2026-11-25');
  });

  test('that were due while the server was down are made up by one', async () => {
    const bench = await Bench.open();
    await bench.add('6h');
    await bench.collects.start();
    await bench.collects.close();
    bench.now += 10 * DAY_MS;
    await bench.restart();
    expect(await bench.runs()).toEqual(['2026-12-01']);
    await bench.at(bench.now + 6 * HOUR_MS);
    expect(await bench.runs()).toEqual(['2026-12-01', '2026-12-01T18-00']);
  });

  test('expect who is a member when they begin; who leaves is taken off, who comes later is not in it', async () => {
    const bench = await Bench.open();
    const anna = await bench.join('anna');
    await bench.join('bob');
    await bench.add('6h');
    await bench.collects.start();
    await bench.collects.runNow('x');
    await bench.join('carol');
    await bench.directory.leave(anna);
    await bench.collects.tick();
    expect(await bench.states()).toEqual({ anna: 'left', bob: 'waiting' });
    await bench.collects.runNow('x');
    expect(await bench.states('2026-11-21')).toEqual({ anna: 'left', bob: 'missing late' });
    expect(await bench.states()).toEqual({ bob: 'waiting', carol: 'waiting' });
  });

  test('have machines that are late after the grace by a steady clock, also after a restart', async () => {
    const bench = await Bench.open();
    await bench.join('anna');
    await bench.add('6h', 60_000);
    await bench.collects.start();
    await bench.collects.runNow('x');
    bench.now += HOUR_MS; // a jump alone makes no one late
    await bench.collects.tick();
    expect(await bench.states()).toEqual({ anna: 'waiting' });
    bench.now -= HOUR_MS;
    await bench.at(bench.now + 59_000);
    await bench.restart();
    expect(await bench.states()).toEqual({ anna: 'waiting' });
    await bench.at(bench.now + 1_000);
    expect(await bench.states()).toEqual({ anna: 'waiting late' });
  });
});

describe('of many machines', () => {
  /** Machines that never answer. */
  async function asked(machines: number): Promise<{ bench: Bench; count: () => number }> {
    const bench = await Bench.open();
    let count = 0;
    for (let n = 0; n < machines; n++) {
      bench.online.set(await bench.join(`m${n}`), (signal) => {
        count++;
        return new Promise((_resolve, reject) =>
          signal?.addEventListener('abort', () =>
            reject(new FilerError('interrupted', 'not asked any more')),
          ),
        );
      });
    }
    await bench.add('6h');
    await bench.collects.start();
    await bench.collects.runNow('x');
    return { bench, count: () => count };
  }

  test('eight are asked at a time, and slow ones make room, up to 48', async () => {
    const { bench, count } = await asked(100);
    expect(count()).toBe(8);
    await bench.at(bench.now + 29_000);
    expect(count()).toBe(8);
    for (const all of [16, 24, 32, 40, 48, 48]) {
      await bench.at(bench.now + 31_000);
      expect(count()).toBe(all);
    }
  });

  test('a next run asks them again', async () => {
    const { bench, count } = await asked(5);
    expect(count()).toBe(5);
    await bench.collects.runNow('x');
    expect(count()).toBe(10);
  });
});

test('a server that does not begin runs says that the store works only when it has asked it', async () => {
  const bench = await Bench.open();
  bench.isFollower = true;
  await bench.restart();
  bench.store.collects.all = () => Promise.reject(new FilerError('timed-out', 'it is away'));
  bench.told.length = 0;
  for (let tick = 0; tick < 8; tick++) await bench.at(NOON);
  expect(bench.told).toEqual(['timed-out', 'timed-out']);
});

test('a collect that is removed asks no one any more', async () => {
  const bench = await Bench.open();
  await bench.join('anna');
  await bench.add('6h');
  await bench.collects.start();
  await bench.collects.runNow('x');
  await bench.store.collects.remove('x');
  await bench.collects.forget('x');
  await bench.at(bench.now + DAY_MS);
  expect(await bench.runs()).toEqual([]);
  await expect(bench.collects.runNow('x')).rejects.toMatchObject({ code: 'path-missing' });
});

test('runs that begin at once, by the timetable and by people, end one another: only the newest is open', async () => {
  const bench = await Bench.open();
  await bench.join('anna');
  await bench.add('6h');
  await bench.collects.start();
  bench.now += 6 * HOUR_MS;
  await Promise.all([bench.collects.runNow('x'), bench.collects.tick(), bench.collects.runNow('x')]);

  const labels = await bench.runs();
  expect(labels).toEqual(['2026-11-21', '2026-11-21T18-00', '2026-11-21T18-00-00']);
  const states = await Promise.all(labels.map((label) => bench.states(label)));
  expect(states.map(({ anna }) => anna)).toEqual(['missing late', 'missing late', 'waiting']);
});

test('a run begins though its folder does not answer, with a name that no other run can have there', async () => {
  const bench = await Bench.open();
  await bench.join('anna');
  await bench.add('6h');
  await bench.collects.start();
  const hung = Promise.withResolvers<string>();
  const folder = join(bench.folder, 'files');
  const look = lookAt(folder, () => hung.promise);
  const clock = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000);
  onTestFinished(() => clock.mockRestore());
  await bench.collects.runNow('x');

  expect(await bench.runs()).toEqual(['2026-11-21T12-00-00']);
  expect(await bench.states()).toEqual({ anna: 'waiting' });
  hung.resolve('');
  await look;
  const [delivery] = await bench.store.collects.deliveries(1);
  await mkdir(join(folder, `${delivery?.folder}`, '2026-11-21'), { recursive: true });
  await bench.collects.runNow('x');
  expect((await bench.runs()).at(-1)).toBe('2026-11-21T12-00');
});

test('a run is called by its day, or by its time where that is taken', () => {
  const labels = runLabels(new Date(2026, 0, 2, 3, 4, 5).getTime())
    .take(5)
    .toArray();
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
