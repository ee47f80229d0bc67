import { RelayPlan } from '@filer/transfer';
import { expect, test } from 'vitest';

const MiB = 1024 * 1024;

/** Some recipients, each behind the one before it, whose speed is known: no one is tried out. */
class Chain {
  readonly plan = new RelayPlan();
  now = 0;
  readonly #ids: readonly string[];
  readonly #bytes = new Map<string, number>();

  constructor(ids: string) {
    this.#ids = ids.split('');
    for (const id of this.#ids) {
      this.plan.join({ id, passes: true, rate: 10 * MiB }, 0);
      this.plan.expect(id, 0);
    }
  }

  /** A second passes. @param rates MiB that each gets in it; a negative one is not heard of @param there what it awaits of its holder @param allThere those that await nothing else */
  second(
    rates: Readonly<Record<string, number>>,
    there: Readonly<Record<string, number>> = {},
    allThere = '',
  ): void {
    this.now += 1_000;
    for (const id of this.#ids) {
      const rate = rates[id] ?? 10;
      if (rate >= 0) this.plan.heard(id, this.now);
      const bytes = (this.#bytes.get(id) ?? 0) + Math.max(0, rate) * MiB;
      this.#bytes.set(id, bytes);
      if (rate > 0) this.plan.progressed(id, bytes, this.now);
      this.plan.awaits(id, (there[id] ?? 0) * MiB, allThere.includes(id));
    }
    this.plan.tick(this.now);
  }

  seconds(count: number, ...how: Parameters<Chain['second']>): void {
    for (let n = 0; n < count; n++) this.second(...how);
  }

  /** `a←b` for each that takes from another one. */
  get links(): string {
    return this.#ids
      .map((id) => ({ id, holder: this.plan.holderOf(id) }))
      .filter(({ holder }) => holder !== undefined)
      .map(({ id, holder }) => `${holder}→${id}`)
      .join(' ');
  }
}

test('recipients stand in one chain, those of one network together where that can be', () => {
  expect(new Chain('abcd').links).toBe('a→b b→c c→d');

  const plan = new RelayPlan();
  plan.join({ id: 'a', passes: true, subnet: '1' }, 0);
  plan.join({ id: 'b', passes: false, subnet: '1' }, 0);
  plan.join({ id: 'c', passes: true, subnet: '2' }, 0);
  expect([plan.holderOf('a'), plan.holderOf('b'), plan.holderOf('c')]).toEqual([undefined, undefined, 'a']);
});

test('a recipient that leaves is replaced by its holder; the head by the sender', () => {
  const chain = new Chain('abcd');
  expect(chain.plan.leave('b', 0)).toEqual([{ id: 'c', from: 'b', to: 'a' }]);
  expect(chain.plan.leave('a', 0)).toEqual([{ id: 'c', from: 'a', to: undefined }]);
  expect(chain.links).toBe('c→d');
});

test('one that stops is passed over within 5 s, wherever it stands, and holds no one from then on', () => {
  for (const [stopped, links] of [
    ['a', 'b→c c→d'],
    ['b', 'a→c c→d'],
    ['d', 'a→b b→c'],
  ] as const) {
    const chain = new Chain('abcd');
    chain.seconds(4, { [stopped]: -1 });
    expect(chain.links).toBe(links);
  }
});

test('a link that gives nothing goes to the end with both who have it, and those behind it continue', () => {
  const chain = new Chain('abcde');
  chain.seconds(2, {});
  chain.seconds(4, { c: 0, d: 0, e: 0 }, { c: 2 });
  expect(chain.links).toBe('c→b e→c a→d d→e');
});

test('which of both was the reason shows at the end: that one is no link any more, the other one is', () => {
  const broken = { c: 1, d: 1, e: 1 };
  const both = { b: { b: 1 }, c: { c: 1 } };
  for (const [slow, other] of [
    ['b', 'c'],
    ['c', 'b'],
  ] as const) {
    const chain = new Chain('abcde');
    chain.seconds(5, {});
    chain.seconds(5, broken, { c: 8 });
    chain.seconds(7, both[slow], { [slow]: 8 });
    chain.plan.join({ id: 'f', passes: true }, chain.now);
    chain.plan.join({ id: 'g', passes: true }, chain.now);
    const after = chain.plan.successorsOf(other).length;
    expect({ slow, ofOther: after > 0, ofSlow: chain.plan.successorsOf(slow) }).toMatchObject({ ofSlow: [] });
    expect(chain.plan.holderOf('d')).toBe('a');
  }
});

test('a link that becomes ten times slower in the middle holds those behind it up for 5 s at most', () => {
  const chain = new Chain('abcdef');
  chain.seconds(10, {});
  chain.seconds(5, { c: 1, d: 1, e: 1, f: 1 }, { c: 8 });
  expect(chain.plan.holderOf('d')).toBe('a');
  expect(chain.plan.successorsOf('f')).toEqual(['c']);
  expect(chain.plan.successorsOf('c')).toEqual(['b']);
});

test('a link that is a little slower than those before it goes to the end of the chain, where it holds up no one', () => {
  const chain = new Chain('abcde');
  chain.seconds(6, { c: 5, d: 5, e: 5 }, { c: 8 });
  expect(chain.links).toBe('e→b b→c a→d d→e');
});

test('the first one is tried out where its speed is not known: a slow one makes way for the second one', () => {
  for (const [slow, head] of [
    ['a', 'b'],
    ['', 'a'],
  ] as const) {
    const plan = new RelayPlan();
    plan.found(1_000 * MiB);
    const chain = 'abc'.split('');
    for (const id of chain) plan.join({ id, passes: true }, 0);
    const bytes = new Map<string, number>();
    const mostOf = (id: string): number => (id === slow ? 1 : 10);
    // What the sender gives is 10 to all together, and no one gets more than its holder.
    const rateOf = (id: string): number => {
      const holder = plan.holderOf(id);
      if (holder !== undefined) return Math.min(mostOf(id), rateOf(holder));
      const takers = chain.filter((each) => plan.holderOf(each) === undefined);
      const isShared = takers.length > 1 && !takers.includes(slow);
      return Math.min(mostOf(id), isShared ? 10 / takers.length : takers.length > 1 ? 9 : 10);
    };
    for (let now = 1_000; now <= 15_000; now += 1_000) {
      for (const id of chain) {
        bytes.set(id, (bytes.get(id) ?? 0) + rateOf(id) * MiB);
        plan.progressed(id, bytes.get(id) ?? 0, now);
      }
      plan.tick(now);
    }
    expect(chain.filter((id) => plan.holderOf(id) === undefined)).toEqual([head]);
  }
});

test('those of one network stand together, the fastest first; one below a third of the others is a leaf', () => {
  const plan = new RelayPlan();
  const joined = [
    ['a', '1', 5],
    ['b', '2', 5],
    ['c', '1', 9],
    ['d', '2', 5],
    ['e', '1', 1],
  ] as const;
  for (const [id, subnet, rate] of joined) plan.join({ id, passes: true, subnet, rate: rate * MiB }, 0);
  const order: string[] = [];
  for (let [at] = plan.successorsOf('c'); at !== undefined; [at] = plan.successorsOf(at)) order.push(at);
  expect(plan.holderOf('c')).toBeUndefined();
  expect(order.join('')).toBe('abde');
});

test('a sender that is faster than its recipients feeds more chains', () => {
  const chain = new Chain('abcdefghij');
  const slow = Object.fromEntries('bcdefghij'.split('').map((id) => [id, 3]));
  chain.seconds(9, { a: 10, ...slow }, { b: 8, c: 8, d: 8, e: 8, f: 8, g: 8, h: 8 });
  const heads = 'abcdefghij'.split('').filter((id) => chain.plan.holderOf(id) === undefined);
  expect(heads.length).toBeGreaterThan(1);
});

test('one that has everything from before serves who comes later, and takes nothing', () => {
  const plan = new RelayPlan();
  plan.join({ id: 'late', passes: true }, 0);
  const moves = plan.join({ id: 'before', passes: true, hasAll: true }, 0);
  plan.join({ id: 'later', passes: true }, 0);
  expect(moves).toEqual([{ id: 'late', from: undefined, to: 'before' }]);
  expect([plan.holderOf('late'), plan.holderOf('before'), plan.holderOf('later')]).toEqual([
    'before',
    undefined,
    'late',
  ]);
});

test('a holder that has not what one takes from it is passed over', () => {
  const chain = new Chain('abc');
  expect(chain.plan.passedBy('c', 'b', 0)).toEqual([{ id: 'c', from: 'b', to: 'a' }]);
  expect(chain.plan.passedBy('b', 'a', 0)).toEqual([{ id: 'b', from: 'a', to: undefined }]);
});

test('a recipient that two holders cannot serve is served by the sender', () => {
  const chain = new Chain('abcd');
  chain.plan.failed('c', 'b', 0);
  expect(chain.links).toBe('d→b a→c c→d');
  chain.plan.failed('c', 'a', 0);
  expect(chain.plan.holderOf('c')).toBeUndefined();
  expect(chain.plan.holderOf('d')).not.toBe('c');
});

test('where most recipients give less than the sender would to each, it serves all', () => {
  const chain = new Chain('abcd');
  const ups = { b: 1, c: 1, d: 1 };
  chain.seconds(30, { a: 10, ...ups }, { b: 8, c: 8, d: 8 });
  expect(chain.links).toBe('');
});

test('what is slow but is held up by nothing stays, and so does everyone while the sender itself stood still', () => {
  const chain = new Chain('abc');
  chain.seconds(10, { c: 1 });
  chain.now += 60_000;
  chain.second({}, { b: 8, c: 8 });
  expect(chain.links).toBe('a→b b→c');
});

test('no one takes from itself over others, whatever fails in whatever order', () => {
  const loops: string[] = [];
  let seed = 1;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 40; round++) {
    const plan = new RelayPlan();
    const ids = 'abcdefgh'.split('');
    for (let step = 0; step < 60; step++) {
      const id = ids[random(8)] ?? 'a';
      const now = step * 500;
      const what = random(4);
      if (what === 0) plan.join({ id, passes: random(5) > 0 }, now);
      else if (what === 1) plan.leave(id, now);
      else if (what === 2) plan.failed(id, plan.holderOf(id) ?? '', now);
      else plan.tick(now);
      for (const each of ids) {
        const seen = new Set<string>();
        for (let at: string | undefined = each; at !== undefined; at = plan.holderOf(at)) {
          if (seen.has(at)) loops.push(at);
          if (seen.has(at)) break;
          seen.add(at);
        }
      }
    }
  }
  expect(loops).toEqual([]);
});

test('a holder that drips, a piece each second, is replaced once no whole block has come of it', () => {
  const chain = new Chain('abcd');
  chain.seconds(5, {});
  for (let n = 0; n < 5; n++) {
    chain.second({ c: 0, d: 0 }, { c: 1 });
    for (const id of 'cd') chain.plan.moved(id, chain.now);
  }
  expect([chain.plan.holderOf('c'), chain.plan.holderOf('d')]).toEqual(['d', 'a']);
});

test('a holder that all at the end is awaited of gives it quickly, however little it is', () => {
  const chain = new Chain('abcd');
  chain.seconds(5, {});
  chain.seconds(8, { c: 0.25, d: 0 }, { c: 2 });
  expect(chain.plan.holderOf('c')).toBe('b');

  chain.seconds(6, { c: 0.25, d: 0 }, { c: 2 }, 'c');
  expect(chain.plan.holderOf('c')).toBe('d');
});

test('one that is slow itself is left the time that its blocks take', () => {
  const chain = new Chain('abc');
  const rates = { a: 2, b: 2, c: 0 };
  for (let n = 0; n < 30; n++) {
    chain.second({ ...rates, c: n % 4 === 0 ? 1 : 0 }, { c: 1 });
    chain.plan.moved('c', chain.now);
  }
  expect(chain.links).toBe('a→b b→c');
});

test('who was slow in earlier jobs is a leaf, whoever comes first', () => {
  const rates = { a: 50, b: 50, c: 200, d: 200, e: 200, f: 50, g: 50, h: 10 };
  const plan = new RelayPlan(Object.values(rates).map((rate) => rate * MiB));
  for (const [id, rate] of Object.entries(rates)) plan.join({ id, passes: true, rate: rate * MiB }, 0);

  const chain: string[] = [];
  for (let at: string | undefined = 'c'; at !== undefined; [at] = plan.successorsOf(at)) chain.push(at);
  expect(chain.join('')).toBe('cdeabfgh');
  expect(plan.successorsOf('h')).toEqual([]);
});

test('one that has more than its holder, and is faster, waits for it no longer', () => {
  const plan = new RelayPlan();
  plan.join({ id: 'fast', passes: true, rate: 10 * MiB }, 0);
  plan.join({ id: 'slow', passes: true }, 0);
  plan.progressed('fast', 60 * MiB, 0);
  plan.failed('slow', 'fast', 0);
  expect(plan.holderOf('fast')).toBe('slow');

  for (let second = 1; second <= 6; second++) {
    plan.progressed('slow', second * MiB, second * 1_000);
    plan.tick(second * 1_000);
  }

  expect(plan.holderOf('fast')).toBeUndefined();
});

test('one that was silent for a moment takes of others again once it gets on, so that the sender has its uplink', () => {
  const chain = new Chain('abcd');
  chain.seconds(5, {});
  chain.seconds(4, { b: -1, c: 0, d: 0 });
  expect([chain.plan.holderOf('b'), chain.plan.holderOf('c')]).toEqual([undefined, 'a']);

  chain.seconds(6, {});

  expect(chain.plan.holderOf('b')).toBe('d');
  expect(chain.plan.successorsOf('b')).toEqual([]);
});

test('the first two of whom nothing is known begin side by side, and stand in one chain once both are found alike', () => {
  const plan = new RelayPlan();
  plan.found(1_000 * MiB);
  for (const id of 'abcd') plan.join({ id, passes: true }, 0);
  const holders = (): unknown[] => 'abcd'.split('').map((id) => plan.holderOf(id));
  expect(holders()).toEqual([undefined, undefined, 'b', 'c']);

  for (let second = 1; second <= 2; second++) {
    for (const id of 'ab') plan.progressed(id, second * 3 * MiB, second * 1_000);
    plan.tick(second * 1_000);
  }
  expect(holders()).toEqual([undefined, 'a', 'b', 'c']);
});

test('one of the first two that goes is replaced, and no one waits for it', () => {
  for (const gone of 'ab') {
    const plan = new RelayPlan();
    plan.found(1_000 * MiB);
    for (const id of 'abc') plan.join({ id, passes: true }, 0);
    plan.leave(gone, 500);
    for (let second = 1; second <= 7; second++) {
      for (const id of 'abc') plan.progressed(id, second * 3 * MiB, second * 1_000);
      plan.tick(second * 1_000);
    }
    for (const id of 'abc') expect(plan.holderOf(id)).not.toBe(gone);
  }
});
