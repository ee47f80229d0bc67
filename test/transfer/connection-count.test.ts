import { expect, test } from 'vitest';
import { ConnectionCount, type CountOptions } from '../../packages/transfer/src/parallel/connection-count.ts';

const LOOK_MS = 250;
const MB = 1_000_000;

interface Path {
  /** Bytes a second, by how many connections carry. */
  readonly rate: (connections: number) => number;
  /** The part of the time in which the network is waited for. @default 1 */
  readonly busy?: number;
  /** Further connections that can be opened. @default as many as are wanted */
  readonly opens?: number;
}

/** A path over which a transfer goes, by a clock of its own. */
class Travelling {
  readonly count: ConnectionCount;
  path: Path;
  now = 0;
  #bytes = 0;
  #busyMs = 0;
  /** How many were wanted, each as often as it changed. */
  readonly wanted: number[] = [0];

  constructor(path: Path, options: Partial<CountOptions> = {}) {
    this.path = path;
    this.count = new ConnectionCount({ roundTripMs: 100, most: 16, ...options });
  }

  go(seconds: number): this {
    for (const until = this.now + seconds * 1_000; this.now < until; this.now += LOOK_MS) {
      const { rate, busy = 1, opens = Infinity } = this.path;
      const open = Math.min(this.count.wanted, opens);
      this.#bytes += (rate(Math.max(open, 1)) * LOOK_MS) / 1_000;
      this.#busyMs += busy * LOOK_MS;
      this.count.look({ now: this.now, bytes: this.#bytes, busyMs: this.#busyMs, open });
      if (this.count.wanted !== this.wanted.at(-1)) this.wanted.push(this.count.wanted);
    }
    return this;
  }
}

/** Each connection carries the same. */
const lossy = (n: number): number => 0.25 * MB * n;
const full = (): number => 2.5 * MB;

test('a path on which each connection loses its speed gets more, until all are open', () => {
  const travelling = new Travelling({ rate: lossy }).go(30);
  expect(travelling.wanted).toEqual([0, 4, 8, 16]);
});

test('a path that one connection fills is tried once, and goes on with one', () => {
  const travelling = new Travelling({ rate: full }).go(12);
  expect(travelling.wanted).toEqual([0, 4, 0]);
});

test('each try that does not pay is longer after the one before', () => {
  const travelling = new Travelling({ rate: full }).go(600);
  const tries = travelling.wanted.filter((wanted) => wanted === 4).length;
  expect(tries).toBeGreaterThan(2);
  expect(tries).toBeLessThan(7);
});

test('what pays up to some connections stays there', () => {
  const travelling = new Travelling({ rate: (n) => lossy(Math.min(n, 8)) }).go(18);
  expect(travelling.wanted).toEqual([0, 4, 8, 16, 8]);
});

test('a sender that does not wait for the network tries nothing', () => {
  const travelling = new Travelling({ rate: lossy, busy: 0.3 }).go(60);
  expect(travelling.wanted).toEqual([0]);
});

test('nor does a path on which nothing is taken', () => {
  expect(new Travelling({ rate: () => 0 }).go(60).wanted).toEqual([0]);
});

test.each([
  [0.5, 300 * MB, [0]],
  // A short path that carries little may lose packets.
  [0.5, 20 * MB, [0, 4, 0]],
  // Much is on its way already: it is tried gently.
  [20, 300 * MB, [0, 2, 0]],
])('a round trip of %d ms and %d bytes a second', (roundTripMs, rate, wanted) => {
  expect(new Travelling({ rate: () => rate }, { roundTripMs }).go(12).wanted).toEqual(wanted);
});

test('a path that begins to lose packets later gets more then', () => {
  const travelling = new Travelling({ rate: full }).go(20);
  travelling.path = { rate: lossy };
  expect(travelling.go(60).count.wanted).toBe(16);
});

test('where no connection can be opened the first one serves', () => {
  const travelling = new Travelling({ rate: lossy, opens: 0 }).go(12);
  expect(travelling.wanted).toEqual([0, 4, 0]);
});

test('where fewer than wanted can be opened those are used', () => {
  const travelling = new Travelling({ rate: lossy, opens: 3 }).go(25);
  expect(travelling.wanted.slice(0, 3)).toEqual([0, 4, 8]);
  expect(travelling.count.wanted).toBeGreaterThanOrEqual(4);
});

test.each([
  [2, [0, 2]],
  [8, [0, 4, 8]],
  [1, [0]],
  [0, [0]],
])('at most %d', (most, wanted) => {
  expect(new Travelling({ rate: lossy }, { most }).go(40).wanted).toEqual(wanted);
});
