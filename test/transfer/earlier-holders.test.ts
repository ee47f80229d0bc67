import { randomBytes } from 'node:crypto';
import { carriedMessage, FilerError, heldBlocksMessage, holdMessage, type Messenger } from '@filer/protocol';
import { EarlierHolders, KnownRates, RelayRace } from '@filer/transfer';
import { expect, onTestFinished, test } from 'vitest';
import { digestsOf } from './by-hand.ts';
import { connected } from './two-ends.ts';

type Says = (messenger: Messenger) => Promise<void>;
type RelayLane = ReturnType<RelayRace['enter']>;

const block = digestsOf(randomBytes(5)).digest;

const honest: Says = async (messenger) => {
  const { header, content } = heldBlocksMessage.format({ digests: [block], complete: true });
  await messenger.send(header, content);
};

/** A job of which some have all, when one comes late. */
class Late {
  readonly asked: string[] = [];
  /** What came at those that were asked, by their ids, until the sender has gone. */
  readonly heard = new Map<string, Promise<unknown[]>>();
  readonly race: RelayRace;

  /** @param rates of earlier jobs */
  constructor(says: Readonly<Record<string, Says>>, rates: Readonly<Record<string, number>> = {}) {
    const known = new KnownRates();
    for (const [id, rate] of Object.entries(rates)) known.note(id, rate);
    const earlier = new EarlierHolders({
      job: 'job',
      candidates: () => Object.keys(says).map((id) => ({ id, passes: true })),
      open: async (id) => {
        this.asked.push(id);
        const answers = says[id];
        if (answers === undefined) throw new FilerError('peer-unreachable', 'it is gone');
        const { dialler, accepter } = await connected();
        this.heard.set(id, this.#listen(accepter, answers));
        return dialler;
      },
    });
    this.race = new RelayRace(1, known, Object.keys(rates), earlier);
    this.race.found(1);
    onTestFinished(() => this.race[Symbol.dispose]());
  }

  async #listen(messenger: Messenger, says: Says): Promise<unknown[]> {
    const heard: unknown[] = [];
    const messages = messenger[Symbol.asyncIterator]();
    const first = await messages.next();
    if (first.done === true) return heard;
    heard.push(holdMessage.parse(first.value).job);
    await says(messenger).catch(() => undefined);
    try {
      for (let next = await messages.next(); next.done !== true; next = await messages.next())
        heard.push(next.value.header['type']);
    } catch {
      heard.push('cut');
    }
    await messenger.close();
    return heard;
  }

  /** @returns who it takes a block from */
  async enter(
    passes = true,
    id = 'late',
  ): Promise<{ readonly lane: RelayLane; readonly from: () => Promise<string | undefined> }> {
    const { dialler: channel } = await connected();
    const { signal: stop } = new AbortController();
    const how = { channel, limit: undefined, stop, failed: () => undefined };
    const lane = this.race.enter({ id, passes }, how);
    return { lane, from: () => lane.holderOf(0, 5, block) };
  }

  /** Resolves when those that were asked have been left. */
  async left(): Promise<unknown[]> {
    const all = await Promise.all(this.heard.values());
    return all.flat();
  }
}

test('one that comes late takes from one that has all, as long as it needs it', async () => {
  const named = Promise.withResolvers<void>();
  const late = new Late({
    a: async (messenger) => {
      await honest(messenger);
      const { header, content } = carriedMessage.format({ carried: [] });
      await messenger.send(header, content);
      named.resolve();
    },
  });
  const { lane, from } = await late.enter();
  await named.promise;
  await expect.poll(() => late.race.holderOf('late')?.id).toBe('a');

  expect(await from()).toBe('a');
  lane.close(true);

  expect(await late.left()).toEqual(['job', 'pass-on']);
  expect(late.asked).toEqual(['a']);
});

test.each<[string, Says]>([
  ['closes at once', (messenger) => messenger.close()],
  ['answers with what it must not say', (messenger) => messenger.send({ type: 'nonsense' })],
  ['refuses', (messenger) => Promise.resolve(messenger.reject(new FilerError('path-missing', 'no')))],
  [
    'names more blocks than there may be',
    async (messenger) => {
      const digests = Array.from({ length: 8_192 }, () => block);
      const { header, content } = heldBlocksMessage.format({ digests, complete: false });
      for (let n = 0; n < 5; n++) await messenger.send(header, content);
    },
  ],
])('where one %s the next is asked', async (_, says) => {
  const late = new Late({ a: says, b: honest });

  const { lane, from } = await late.enter();
  await expect.poll(() => late.race.holderOf('late')?.id).toBe('b');

  expect(await from()).toBe('b');
  expect(late.asked).toEqual(['a', 'b']);
  lane.close(true);
  await late.left();
});

test('one that takes nothing of others has no one asked', async () => {
  const late = new Late({ a: honest });

  const { lane, from } = await late.enter(false);

  expect(await from()).toBeUndefined();
  expect(late.asked).toEqual([]);
  lane.close(true);
});

test('a holder that leaves is replaced by the sender', async () => {
  const leave = Promise.withResolvers<void>();
  const late = new Late({
    a: async (messenger) => {
      await honest(messenger);
      await leave.promise;
      await messenger.close();
    },
  });
  const { lane, from } = await late.enter();
  await expect.poll(() => late.race.holderOf('late')?.id).toBe('a');

  leave.resolve();
  await expect.poll(() => late.race.holderOf('late')).toBeUndefined();

  expect(await from()).toBeUndefined();
  lane.close(true);
});

test('where one leaves in the middle the next is asked', async () => {
  const leave = Promise.withResolvers<void>();
  const late = new Late({
    a: async (messenger) => {
      await honest(messenger);
      await leave.promise;
      await messenger.close();
    },
    b: honest,
  });
  const { lane, from } = await late.enter();
  await expect.poll(() => late.race.holderOf('late')?.id).toBe('a');

  leave.resolve();
  await expect.poll(() => late.race.holderOf('late')?.id).toBe('b');

  expect(await from()).toBe('b');
  expect(late.asked).toEqual(['a', 'b']);
  lane.close(true);
  await late.left();
});

test('one that was slow before keeps no other late one from taking of those that have all', async () => {
  const late = new Late({ a: honest, b: honest }, { slow: 1_000_000, fast: 100_000_000, other: 100_000_000 });

  const lanes = [await late.enter(true, 'slow'), await late.enter(true, 'fast')];

  for (const id of ['slow', 'fast']) await expect.poll(() => late.race.holderOf(id)?.id).toMatch(/^[ab]$/);
  for (const { lane } of lanes) lane.close(true);
  await late.left();
});
