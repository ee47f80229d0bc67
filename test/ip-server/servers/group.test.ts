import { createLogger } from '@filer/program';
import { FilerError, parseDirectory, signRemoval } from '@filer/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { DatabaseClocks } from '../../../apps/ip-server/src/daemon/machine-clocks.ts';
import { Directory } from '../../../apps/ip-server/src/network/directory.ts';
import { Presence } from '../../../apps/ip-server/src/network/presence.ts';
import { Removals } from '../../../apps/ip-server/src/network/removals.ts';
import { ServerGroup } from '../../../apps/ip-server/src/network/server-group.ts';
import { Wakefulness } from '../../../apps/ip-server/src/network/wakefulness.ts';
import { SteadyClock } from '../../../apps/ip-server/src/reports/steady-clock.ts';
import type { KnownEntry, ServerStore } from '../../../apps/ip-server/src/store/server-store.ts';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster, sqlIn } from '../../support/postgres-cluster.ts';
import { PaperNetwork } from '../members.ts';

const BEAT_MS = 3_000;

describe.skipIf(needs.postgres())('a server among several', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());
  afterEach(() => void vi.useRealTimers());

  /** Three servers of one network, and a machine that is online at the second one. */
  async function someServers() {
    const address = await cluster.freshDatabase();
    const store = await openStore(address);
    onTestFinished(() => store.close());
    const { registry, servers } = store;
    if (servers === undefined) throw new Error('several servers can share this engine');
    const network = new PaperNetwork();
    await registry.addInvite(network.invite.grant);
    const wakefulness = { stoodStill: false };
    const open = async (name: string): Promise<Directory> => {
      await servers.enter({ id: name, addresses: [], software: '' });
      const directory = await Directory.open(registry, 0, { server: name, wakefulness });
      await directory.beginRun();
      return directory;
    };
    const [a, b, c] = [await open('a'), await open('b'), await open('c')];
    const membership = network.membership('nas');
    await b.admit({ membership, countsUse: true, now: 1_500_000 });
    b.see(membership.id, 'online', 1);
    expect(await b.flush()).toBeUndefined();
    await a.follow();
    return { a, b, c, registry, servers, network, address, wakefulness, id: membership.id };
  }

  test('that stood still does not take back a machine that has gone to another one meanwhile', async () => {
    const { a, b, wakefulness, id } = await someServers();
    // It was here, and has gone while this server stood still.
    a.see(id, 'online', 2);
    await a.flush();
    await b.follow();
    b.see(id, 'online', 3);
    await b.flush();
    a.see(id, 'lost', 2);
    a.see(id, 'online', 4);
    const followed: boolean[] = [];
    a.onFollowed(() => followed.push(a.isUnsaved(id)));
    wakefulness.stoodStill = true;
    expect(await a.flush()).toBeUndefined();
    await b.follow();
    for (const each of [a, b]) expect(each.get(id)).toMatchObject({ presence: 'online', server: 'b' });
    expect(followed).toEqual([false]);

    // Else what was seen here is newer.
    wakefulness.stoodStill = false;
    a.see(id, 'online', 5);
    await a.flush();
    await b.follow();
    expect(b.get(id)).toMatchObject({ presence: 'online', server: 'a' });
  });

  test('and two others know after one look each what any of them has changed, and tell their machines the same', async () => {
    const { a, b, c, network, id } = await someServers();
    await c.follow();
    const told = a.seq;
    const late = network.membership('late');
    await a.admit({ membership: late, countsUse: true, now: 1_500_000 });
    const gone = network.membership('gone');
    await c.admit({ membership: gone, countsUse: true, now: 1_500_000 });
    b.see(id, 'lost', 2);
    expect(await b.flush()).toBeUndefined();
    await c.leave(gone.id);
    for (const each of [a, b, c]) await each.follow();
    const known = [a, b, c].map((each) => ({
      seq: each.seq,
      page: parseDirectory(each.page(told, 0).message),
      states: [id, late.id, gone.id].map((of) => [each.get(of)?.status, each.get(of)?.presence]),
    }));
    for (const each of known) expect(each).toEqual(known[0]);
    expect(known[0]?.states).toEqual([
      ['member', 'lost'],
      ['member', expect.any(String)],
      ['left', expect.any(String)],
    ]);
  });

  test('begins again with what the database has when that has lost what was told', async () => {
    const { a, b, registry, network, address, id } = await someServers();
    const known = await registry.seq();
    const late = network.membership('late');
    await a.admit({ membership: late, countsUse: true, now: 1_500_000 });
    await b.follow();
    const told = b.seq;
    const lost: (readonly string[])[] = [];
    for (const each of [a, b]) each.onFollowed((_, ids) => ids && lost.push(ids));
    // As a standby that had not seen the last transactions.
    await sqlIn(address, `DELETE FROM members WHERE id = '${late.id}'`);
    await sqlIn(address, `UPDATE counters SET value = ${known} WHERE name = 'seq'`);
    const other = network.membership('other');
    await a.follow();
    await a.admit({ membership: other, countsUse: true, now: 1_500_000 });
    await b.follow();
    expect(lost).toEqual([[late.id], [late.id]]);
    expect(await b.flush()).toBeUndefined();
    await a.follow();
    for (const each of [a, b]) {
      expect(each.seq).toBeGreaterThan(told);
      expect(each.get(late.id)).toBeUndefined();
      expect(each.get(other.id)).toMatchObject({ status: 'member' });
      expect(each.get(id)).toMatchObject({ presence: 'online', server: 'b' });
      // Those who know what was lost are told everything.
      expect(parseDirectory(each.page(told, 0).message)).toMatchObject({ from: 0 });
    }
    expect(lost).toHaveLength(2);
  });

  test('stores again the removals and leaves that the database has lost, and no machine is back by that', async () => {
    const { a, b, registry, network, address, id } = await someServers();
    const open = (directory: Directory) => Removals.open(network.networkKey.id, registry, directory);
    const [ofA, ofB] = [await open(a), await open(b)];
    const known = await registry.seq();
    const removal = signRemoval(network.networkKey, { number: 1, id, removedAt: 1 });
    await ofA.append(removal);
    await b.follow();
    expect(ofB.has(id)).toBe(true);
    await sqlIn(address, `DELETE FROM removals; UPDATE members SET status = 'member'`);
    await sqlIn(address, `UPDATE counters SET value = ${known} WHERE name = 'seq'`);
    await b.follow();
    expect(await registry.removals()).toEqual([]);
    await ofB.restore();
    await ofB.restore();
    expect(await registry.removals()).toEqual([removal]);
    await a.follow();
    for (const each of [a, b]) expect(each.get(id)).toMatchObject({ status: 'removed' });
  });

  test('that is taken off the list loses its machines at all others', async () => {
    const { a, b, servers, id } = await someServers();
    const before = a.seq;
    expect(await servers.forget('b')).toBe(true);
    expect(await servers.forget('b')).toBe(false);
    for (const each of [a, b]) {
      await each.follow();
      expect(each.get(id)).toMatchObject({ presence: 'lost', presenceSeq: before + 1 });
      expect(each.seq).toBe(before + 1);
    }
  });

  test('loses machines of a dead one, of one without an entry too, but only when the database was there for a lease', async () => {
    const { a, servers, id } = await someServers();
    const state = { isAway: false, beats: 0, entries: [] as KnownEntry[] };
    const entry = { id: 'a', addresses: [], software: '' };
    const known = (name: string, silentMs: number): KnownEntry => ({
      ...{ ...entry, id: name, silentMs },
      holdsTimers: name === 'a',
    });
    let onBeaten: () => void = () => undefined;
    let held: Promise<void> = Promise.resolve();
    const fake: ServerStore = {
      now: () => servers.now(),
      expectations: (peers) => servers.expectations(peers),
      enter: () => Promise.resolve(),
      serve: () => Promise.resolve(),
      shareFiles: () => Promise.resolve(),
      beat: async () => {
        state.beats++;
        await held;
        if (state.isAway) throw new FilerError('connect-failed', 'the database is away');
        return { now: 0, holdsTimers: true };
      },
      leave: () => Promise.resolve(),
      all: () => Promise.resolve(state.entries),
      forget: () => Promise.resolve(false),
      list: () => Promise.resolve(undefined),
      saveList: () => Promise.resolve(true),
      admissionSeed: () => servers.admissionSeed(),
      post: () => Promise.resolve(0),
      mailbox: () => {
        onBeaten();
        return Promise.resolve([]);
      },
      listen: () => ({ [Symbol.asyncDispose]: () => Promise.resolve() }),
    };
    vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
    const group = new ServerGroup({
      server: 'a',
      store: fake,
      directory: a,
      presence: new Presence(a, 1_000),
      wakefulness: new Wakefulness(),
      onMailbox: () => undefined,
      onList: () => Promise.resolve(),
      onTime: () => undefined,
      onProblem: (problem) => problem && onBeaten(),
      log: await createLogger({ level: 'error', stream: process.stderr }),
    });
    const beat = async (): Promise<void> => {
      const beaten = new Promise<void>((resolve) => (onBeaten = resolve));
      vi.advanceTimersByTime(BEAT_MS);
      await beaten;
      await a.follow();
    };
    state.entries = [known('a', 0), known('b', 0)];
    await group.enter({ addresses: [], software: '' });
    for (let n = 0; n < 6; n++) await beat();
    state.isAway = true;
    for (let n = 0; n < 6; n++) await beat();
    // The first one that reaches the database finds that all others have not beaten.
    state.isAway = false;
    state.entries = [known('a', 0), known('b', 20_000)];
    for (let n = 0; n < 4; n++) await beat();
    expect(a.get(id)).toMatchObject({ presence: 'online' });
    state.entries = [known('a', 0)];
    for (let n = 0; n < 3; n++) await beat();
    expect(a.get(id)).toMatchObject({ presence: 'lost' });

    // A beat that is not answered is not followed by another one.
    const before = state.beats;
    let answer: () => void = () => undefined;
    held = new Promise((resolve) => (answer = resolve));
    await vi.advanceTimersByTimeAsync(5 * BEAT_MS);
    expect(state.beats).toBe(before + 1);
    const beaten = new Promise<void>((resolve) => (onBeaten = resolve));
    answer();
    await beaten;
    await group.close();
  });
});

test('the clock of a server follows the one of the database, forward only, and tells that it was moved', () => {
  let running = 500;
  const clocks = new DatabaseClocks(1_000_000, () => running);
  const clock = new SteadyClock(clocks, undefined);
  running += 1_000;
  clocks.told(1_000_700);
  expect(clock.now()).toEqual({ steady: 1_001_000, time: 1_001_000 });
  clock.look();
  // Its machine slept for a minute.
  running += 1_000;
  clocks.told(1_062_000);
  expect(clock.now()).toEqual({ steady: 1_062_000, time: 1_062_000 });
  expect(clock.look()).toBeGreaterThanOrEqual(61_000);
});
