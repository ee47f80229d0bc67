import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger } from '@filer/program';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { DatabaseProxy } from '../../support/database-proxy.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster, sqlIn } from '../../support/postgres-cluster.ts';
import { jsonLines, type Line } from '../../support/programs.ts';
import { ServersHere, type ServerHere } from '../../support/servers-here.ts';
import { TestMember } from '../../support/test-member.ts';

/** Long enough for a busy machine to answer. */
const ANSWER_MS = 5_000;

/** Longer than a server that is well waits between two renewals of its lease, also on a busy machine. */
const CUT_OFF_MS = 3_000;

async function titles(server: ServerHere): Promise<unknown[]> {
  return (await server.ask('reports'))['reports'] as unknown[];
}

describe.skipIf(needs.postgres())('several servers', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  const faults: [string, (proxy: DatabaseProxy) => unknown, (proxy: DatabaseProxy) => unknown][] = [
    ['has ended', () => cluster.end(), () => cluster.resume()],
    ['is cut off', (proxy) => proxy.cut(), (proxy) => proxy.passes()],
    ['takes all and answers nothing', (proxy) => proxy.silence(), (proxy) => proxy.passes()],
  ];

  test.each(faults)(
    'continue with what they know while the database %s, and store what waits when it is back',
    async (_, begin, end) => {
      await using proxy = await DatabaseProxy.to(await cluster.freshDatabase());
      await using network = await ServersHere.open(proxy.address);
      const [a, b] = await network.startAll(2, {}, { storeAnswerMs: ANSWER_MS });
      if (a === undefined || b === undefined) throw new Error('two were started');
      const [anna, bob] = [await network.add('anna', a), await network.add('bob', a)];
      const statesAt = async (server: typeof a): Promise<unknown[]> => {
        const { peers } = await server.ask('peers');
        return (peers as Line[]).map(({ state }) => state);
      };
      for (const server of [a, b]) await expect.poll(() => statesAt(server)).toEqual(['online', 'online']);
      for (const name of ['bob', 'anna']) await (name === 'bob' ? anna : bob).sees(name);
      await anna.ask('report', '--title', 'before');
      await begin(proxy);
      const spooled = anna.ask('report', '--title', 'meanwhile');
      await anna.status(({ spool }) => spool === 1);
      for (const server of [a, b])
        await expect
          .poll(async () => (await server.ask('status'))['storeProblem'])
          .toMatch(/cannot be reached|does not take this now/);
      for (const server of [a, b]) {
        const states = await statesAt(server);
        expect(['online', 'unknown']).toEqual(expect.arrayContaining(states));
      }
      const { servers: known, problem } = await a.ask('servers');
      expect(problem).toEqual(expect.any(String));
      expect((known as Line[]).map(({ id, state }) => [id, state])).toEqual(
        [a.id, b.id].toSorted().map((id) => [id, id === a.id ? 'running' : 'unknown']),
      );
      const file = join(network.folder, 'file.txt');
      await writeFile(file, 'meanwhile');
      expect(await anna.run('send', file, '--to', 'bob')).toMatchObject({ code: 0 });
      expect((await anna.ask('status'))['spool']).toBe(1);
      await end(proxy);
      await anna.status(({ spool }) => spool === 0);
      await spooled;
      for (const server of [a, b]) {
        await expect.poll(async () => (await server.ask('status'))['storeProblem']).toBeNull();
        const { stdout } = await server.run('reports', '--json');
        for (const title of ['before', 'meanwhile']) expect(stdout.split(`"${title}"`)).toHaveLength(2);
        await expect.poll(() => statesAt(server)).toEqual(['online', 'online']);
      }
    },
  );

  test('of which one is cut off from the database send their machines to another one, where they report', async () => {
    const address = await cluster.freshDatabase();
    await using proxy = await DatabaseProxy.to(address);
    await using network = await ServersHere.open(address);
    const cut = await network.start('cut', { store: proxy.address }, { cutOffMs: CUT_OFF_MS });
    const nas = await network.add('nas', cut);
    const well = await network.start('well');
    await cut.ask('servers', 'add', well.id);
    for (const { daemon } of [cut, well]) await daemon.group?.listChanged();
    const serverOf = async (): Promise<unknown> => {
      const { peers } = await well.ask('peers');
      return (peers as Line[])[0]?.['server'];
    };
    expect(cut.daemon.presence.daemons()).toHaveLength(1);
    const known = (): Promise<string> => readFile(join(nas.home, 'membership.json'), 'utf8');
    await expect.poll(known).toContain(well.id);
    proxy.cut();
    await expect.poll(serverOf).toBe(well.id);
    await nas.ask('report', '--title', 'meanwhile');
    await expect.poll(() => titles(well)).toHaveLength(1);
    expect(cut.daemon.presence.daemons()).toEqual([]);
    proxy.passes();
    await cut.daemon.group?.listChanged();
    await expect.poll(async () => (await cut.ask('status'))['storeProblem']).toBeNull();
    // It takes none back, and what was seen there is not stored over what the other one has seen.
    await expect
      .poll(async () => ((await cut.ask('peers'))['peers'] as Line[])[0])
      .toMatchObject({
        ...{ state: 'online', server: well.id },
      });
  });

  test('that are all cut off ask each other again and again, which the log says once', async () => {
    await using proxy = await DatabaseProxy.to(await cluster.freshDatabase());
    await using network = await ServersHere.open(proxy.address);
    const lines: Line[] = [];
    const write = (line: string): boolean => lines.push(JSON.parse(line) as Line) > 0;
    const log = await createLogger({ level: 'debug', format: 'json', stream: { write } });
    const [a, b] = await network.startAll(2, {}, { cutOffMs: 1_000, log });
    if (a === undefined || b === undefined) throw new Error('two were started');
    proxy.cut();
    const refused = (level: string): string[] =>
      lines.flatMap(({ msg, level: at, id, code }) =>
        msg === 'connection refused' && at === level ? [`${String(id)} ${String(code)}`] : [],
      );
    const asked = [a, b].map(({ id }) => `${id} timed-out`);
    for (const each of asked)
      await expect.poll(() => refused('debug').filter((line) => line === each).length).toBeGreaterThan(2);
    for (const each of asked) expect(refused('info').filter((line) => line === each)).toHaveLength(1);
  });

  test('store a report once whose commit is answered to none: its machine goes to another server with it', async () => {
    const address = await cluster.freshDatabase();
    await using proxy = await DatabaseProxy.to(address);
    await using network = await ServersHere.open(address);
    const b = await network.start('b');
    const link = (await b.run('invite')).stdout.trim();
    const member = await TestMember.join(link, 'nas');
    const a = await network.start('a', { store: proxy.address }, { storeAnswerMs: ANSWER_MS });
    await b.ask('servers', 'add', a.id);
    for (const { daemon } of [a, b]) await daemon.group?.listChanged();
    const at = ({ id, daemon }: ServerHere) =>
      member.at({ id, host: '127.0.0.1', port: daemon.listened.port });
    const before = await at(a).connect();
    proxy.loseAnswerTo('INSERT INTO reports', 'COMMIT');
    const lost = before.report(1).catch(() => undefined);
    await expect.poll(() => titles(b)).toHaveLength(1);
    await before[Symbol.asyncDispose]();
    await using after = await at(b).connect();
    await after.report(1);
    await after.report(2);
    // Its connections end without the answer, which it does not wait for any longer.
    proxy.cut();
    await lost;
    proxy.passes();
    await a.daemon.close();
    expect(await titles(b)).toHaveLength(2);
  });

  test('that were removed do not start before they are added again, also where the network key is', async () => {
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const [first, second] = await network.startAll(2);
    if (first === undefined || second === undefined) throw new Error('two were started');
    const key = ['--network-key', `${first.home}/network-key.pem`];
    await second.ask('servers', 'remove', first.id, '--yes', ...key);
    await first.daemon.close();
    await expect(network.start('server-0')).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining(`servers add ${first.id.slice(0, 12)}`) as string,
    });
    await second.ask('servers', 'add', first.id, ...key);
    const again = await network.start('server-0');
    const { servers } = await again.ask('servers');
    expect((servers as Line[]).map(({ state }) => state)).toEqual(['running', 'running']);
  });

  test('of two copies of one home the one that started last has the lease, and the other one says so', async () => {
    const address = await cluster.freshDatabase();
    const [first, second] = [await openStore(address), await openStore(address)];
    onTestFinished(async () => {
      for (const store of [first, second]) await store.close();
    });
    const [old, copy] = [first.servers, second.servers];
    if (old === undefined || copy === undefined) throw new Error('several servers can share this engine');
    const entry = { id: 'a', addresses: [], software: '' };
    await old.enter(entry);
    expect(await old.beat('a', true)).toMatchObject({ holdsTimers: true });
    await copy.enter(entry);
    await sqlIn(address, `INSERT INTO mailbox (server, peers, header, content) VALUES ('a', '[]', '{}', '')`);
    await expect(old.beat('a', true)).rejects.toMatchObject({ code: 'duplicate-identity' });
    expect(await old.mailbox('a')).toEqual([]);
    await old.leave('a');
    expect(await copy.all()).toMatchObject([{ silentMs: expect.any(Number) as number, holdsTimers: true }]);
    expect(await copy.mailbox('a')).toHaveLength(1);
    // It continues when the copy has ended.
    await copy.leave('a');
    expect(await old.beat('a', true)).toMatchObject({ holdsTimers: true });
  });

  test('that were taken off the list, or are not on it, leave the timers to another one', async () => {
    const address = await cluster.freshDatabase();
    const stores = await Promise.all(['a', 'b'].map(() => openStore(address)));
    onTestFinished(async () => void (await Promise.all(stores.map((store) => store.close()))));
    const [a, b] = stores.map(({ servers }) => servers);
    if (a === undefined || b === undefined) throw new Error('several servers can share this engine');
    const held = async (): Promise<boolean[]> => [
      (await a.beat('a', true)).holdsTimers,
      (await b.beat('b', true)).holdsTimers,
    ];
    for (const [servers, id] of [
      [a, 'a'],
      [b, 'b'],
    ] as const)
      await servers.enter({ id, addresses: [], software: '' });
    expect(await held()).toEqual([true, false]);
    expect(await a.beat('a', false)).toMatchObject({ holdsTimers: false });
    expect(await b.beat('b', true)).toMatchObject({ holdsTimers: true });
    await a.forget('b');
    expect(await held()).toEqual([true, false]);
  });

  test('that wait to be admitted, or were removed, say so in status and doctor', async () => {
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const [first, second] = [await network.start('first'), await network.start('second')];
    const says = async (): Promise<unknown[]> => {
      const doctor = await second.run('doctor', '--json');
      const [document = {}] = jsonLines(doctor);
      const found = (document['checks'] as Line[]).find(({ check }) => check === 'server');
      const status = await second.run('status');
      return [found?.['state'], /WAITS|REMOVED/.exec(status.stdout)?.[0]];
    };
    expect(await says()).toEqual(['failed', 'WAITS']);
    await first.ask('servers', 'add', second.id);
    expect(await says()).toEqual(['ok', undefined]);
    await first.ask('servers', 'remove', second.id, '--yes');
    expect(await says()).toEqual(['failed', 'REMOVED']);
  });

  test('stamp what comes by the clock of the database, not by a clock of their own that is an hour off', async () => {
    const hour = 3_600_000;
    const { now } = Date;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now.call(Date) + hour);
    onTestFinished(() => clock.mockRestore());
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const server = await network.start('server');
    const member = await TestMember.join((await server.run('invite')).stdout.trim(), 'nas');
    await using connection = await member.connect();
    await connection.report(1);
    const [report] = await titles(server);
    const { peers } = await server.ask('peers');
    clock.mockRestore();
    expect(Date.parse(String((report as Line)['receivedAt']))).toBeLessThan(Date.now() + hour / 2);
    expect(Date.parse(String((peers as Line[])[0]?.['lastSeen']))).toBeLessThan(Date.now() + hour / 2);
  });

  test('end while the database stands still', async () => {
    await using network = await ServersHere.open(await cluster.freshDatabase());
    const server = await network.start('server', {}, { storeEndMs: 100 });
    using _still = cluster.standStill();
    const { directory } = server.daemon;
    const flushed = Array.from({ length: 50 }, () => directory.flush());
    await server.daemon.close();
    expect(new Set(await Promise.all(flushed)).size).toBeLessThan(3);
  });
});
