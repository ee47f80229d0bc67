import { RelayPlan } from '@filer/transfer';
import { expect, test } from 'vitest';

const MiB = 1024 * 1024;

/** Some recipients, each behind the one before it. */
class Chain {
  readonly plan = new RelayPlan();
  now = 0;
  readonly #ids: readonly string[];
  readonly #bytes = new Map<string, number>();

  constructor(ids: string) {
    this.#ids = ids.split('');
    for (const id of this.#ids) {
      this.plan.join({ id, passes: true }, 0);
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

test('a holder that is there and gives nothing goes to the end of the chain', () => {
  const chain = new Chain('abcd');
  chain.seconds(2, {});
  chain.seconds(4, { c: 0, d: 0 }, { c: 2 });
  expect(chain.links).toBe('d→b a→c c→d');
});

test('a recipient that two holders cannot serve is served by the sender', () => {
  const chain = new Chain('abcd');
  chain.plan.failed('c', 'b', 0);
  expect(chain.links).toBe('d→b a→c c→d');
  chain.plan.failed('c', 'a', 0);
  expect(chain.plan.holderOf('c')).toBeUndefined();
  expect(chain.plan.holderOf('d')).not.toBe('c');
});

test('a link below a third of the others is replaced; where most are, the sender serves all', () => {
  const chain = new Chain('abcdefgh');
  chain.seconds(6, { b: 1, c: 1, d: 1, e: 1, f: 1, g: 1, h: 1 }, { b: 8 });
  expect(chain.plan.holderOf('b')).toBeUndefined();
  expect(chain.plan.holderOf('a')).toBe('h');
  const slow = Object.fromEntries('abcdefgh'.split('').map((id) => [id, 1]));
  const behind = Object.fromEntries('abcdefgh'.split('').map((id) => [id, 8]));
  chain.seconds(40, slow, behind);
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
  expect(chain.plan.holderOf('c')).toBe('a');
  expect(chain.plan.holderOf('b')).toBe('d');
});

test('a holder that all at the end is awaited of gives it quickly, however little it is', () => {
  const chain = new Chain('abcd');
  chain.seconds(5, {});
  chain.seconds(8, { c: 0.25, d: 0 }, { c: 2 });
  expect(chain.plan.holderOf('c')).toBe('b');

  chain.seconds(6, { c: 0.25, d: 0 }, { c: 2 }, 'c');
  expect(chain.plan.holderOf('c')).toBe('a');
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
