import { createLogger } from '@filer/program';
import { FilerError, keyPairFromSeed, signServerList, type ServerList } from '@filer/protocol';
import { randomBytes } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Directory } from '../../../apps/ip-server/src/network/directory.ts';
import { Presence } from '../../../apps/ip-server/src/network/presence.ts';
import { ServerGroup, type ServerGroupParts } from '../../../apps/ip-server/src/network/server-group.ts';
import { Wakefulness } from '../../../apps/ip-server/src/network/wakefulness.ts';
import { openMemoryStore } from '../../../apps/ip-server/src/store/memory/open.ts';
import { LEASE_MS, type Beat, type ServerStore } from '../../../apps/ip-server/src/store/server-store.ts';

const [ID, OTHER] = [keyPairFromSeed(randomBytes(32)).id, keyPairFromSeed(randomBytes(32)).id];

const networkKey = keyPairFromSeed(randomBytes(32));
const listOf = (serial: number, ...ids: string[]): ServerList =>
  signServerList(networkKey, { servers: ids.map((id) => ({ id, addresses: ['[::1]:1'] })), serial });

/** A server of which the database answers as it is told. */
async function groupOn(
  store: Partial<ServerStore>,
  more: Partial<Pick<ServerGroupParts, 'founder' | 'onList'>> = {},
): Promise<ServerGroup> {
  const entry = { id: ID, addresses: [], software: '' };
  const whole: ServerStore = {
    now: () => Promise.resolve(0),
    expectations: () => Promise.resolve([]),
    serve: () => Promise.resolve(),
    shareFiles: () => Promise.resolve(),
    enter: () => Promise.resolve(),
    beat: (_, mayHoldTimers) => Promise.resolve({ now: 0, holdsTimers: mayHoldTimers }),
    leave: () => Promise.resolve(),
    all: () => Promise.resolve([{ ...entry, silentMs: 0, holdsTimers: true }]),
    forget: () => Promise.resolve(false),
    list: () => Promise.resolve(undefined),
    saveList: () => Promise.resolve(false),
    admissionSeed: () => Promise.resolve(Buffer.alloc(32)),
    post: () => Promise.resolve(0),
    mailbox: () => Promise.resolve([]),
    listen: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    ...store,
  };
  const directory = await Directory.open(openMemoryStore().registry, 0, { server: ID });
  return new ServerGroup({
    ...{ server: ID, store: whole, directory, presence: new Presence(directory, 1_000) },
    ...{ wakefulness: new Wakefulness(), onMailbox: () => undefined, onList: () => Promise.resolve() },
    ...{ onTime: () => undefined, onProblem: () => undefined },
    log: await createLogger({ stream: { write: () => undefined } }),
    ...more,
  });
}

test('a server runs the timers only while machines may trust it: it is listed, or made a network without a list', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let list: ServerList | undefined;
  const group = await groupOn({ list: () => Promise.resolve(list) }, { founder: OTHER });
  await group.enter({ addresses: [], software: '' });
  const held: boolean[] = [group.holdsTimers];
  for (const next of [listOf(1, ID, OTHER), listOf(2, OTHER), listOf(3, ID)]) {
    list = next;
    await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
    held.push(group.holdsTimers);
  }
  expect(held).toEqual([false, true, false, true]);
  await group.close();
});

test('a server whose beat the database does not answer runs no timers before its lease is over', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let answer = (): Promise<Beat> => Promise.resolve({ now: 0, holdsTimers: true });
  const group = await groupOn({ beat: () => answer() });
  await group.enter({ addresses: [], software: '' });
  expect(group.holdsTimers).toBe(true);

  // As long as beats are answered.
  await vi.advanceTimersByTimeAsync(2 * LEASE_MS);
  expect(group.holdsTimers).toBe(true);
  const held = Promise.withResolvers<Beat>();
  answer = () => held.promise;
  await vi.advanceTimersByTimeAsync(LEASE_MS - 1);
  expect(group.holdsTimers).toBe(false);
  // An answer that comes late tells of a lease that began when it was asked for.
  held.resolve({ now: 0, holdsTimers: true });
  const late = Promise.withResolvers<Beat>();
  answer = () => late.promise;
  await vi.advanceTimersByTimeAsync(LEASE_MS);
  expect(group.holdsTimers).toBe(false);
  late.resolve({ now: 0, holdsTimers: true });
  await group.close();
});

test('a list of servers counts, and its machines are told of it, once all is read that was signed with it', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const stored: { list?: ServerList } = {};
  let isAway = true;
  const group = await groupOn(
    { list: () => Promise.resolve(stored.list) },
    {
      onList: () =>
        isAway ? Promise.reject(new FilerError('connect-failed', 'the database is away')) : Promise.resolve(),
    },
  );
  const told: number[] = [];
  group.onListed(({ serial }) => told.push(serial));
  await group.enter({ addresses: [], software: '' });
  stored.list = listOf(1, OTHER);
  await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
  expect([told, group.isUnlisted]).toEqual([[], false]);
  isAway = false;
  await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
  expect([told, group.isUnlisted]).toEqual([[1], true]);
  await group.close();
});

test('of two lists that are read at once the newer one counts, in whatever order they are ready', async () => {
  const asked: { list: ServerList; ready: () => void }[] = [];
  let list = listOf(1, ID);
  const group = await groupOn(
    { list: () => Promise.resolve(list) },
    {
      onList: () => {
        const { promise, resolve } = Promise.withResolvers<void>();
        asked.push({ list, ready: resolve });
        return promise;
      },
    },
  );
  const told: number[] = [];
  group.onListed(({ serial }) => told.push(serial));
  const older = group.listChanged();
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  list = listOf(2, OTHER);
  const newer = group.listChanged();
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  asked[1]?.ready();
  await newer;
  asked[0]?.ready();
  await older;
  expect([told, group.list?.serial]).toEqual([[2], 2]);
});

test('a server that ends in the middle of a beat ends its lease after it', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const asked: string[] = [];
  const held = Promise.withResolvers<Beat>();
  let answer = (): Promise<Beat> => Promise.resolve({ now: 0, holdsTimers: true });
  const group = await groupOn({
    beat: () => answer(),
    enter: async () => void asked.push('enter'),
    leave: async () => void asked.push('leave'),
  });
  await group.enter({ addresses: [], software: '' });
  answer = () => held.promise.finally(() => asked.push('beat'));
  await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
  const closed = group.close();
  await vi.advanceTimersByTimeAsync(LEASE_MS / 3);
  held.resolve({ now: 0, holdsTimers: true });
  await closed;
  expect(asked).toEqual(['enter', 'beat', 'leave']);
});

test('a server that the database does not answer knows of its own sessions only, where there are others', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const entries = (...ids: string[]) =>
    ids.map((id) => ({ id, addresses: [], software: '', silentMs: 0, holdsTimers: id === ID }));
  for (const [ids, expected] of [
    [
      [ID, OTHER],
      [false, true, true],
    ],
    [[ID], [false, false, false]],
  ] as const) {
    let answer = (): Promise<Beat> => Promise.resolve({ now: 0, holdsTimers: true });
    const group = await groupOn({ beat: () => answer(), all: () => Promise.resolve(entries(...ids)) });
    await group.enter({ addresses: [], software: '' });
    const doubts = () => [ID, OTHER, undefined].map((server) => group.isDoubtful(server));
    expect(doubts()).toEqual([false, false, false]);
    answer = () => Promise.reject(new FilerError('timed-out', 'the database is away'));
    await vi.advanceTimersByTimeAsync(LEASE_MS / 2 + 3_000);
    expect(doubts()).toEqual(expected);
    await group.close();
  }
});
