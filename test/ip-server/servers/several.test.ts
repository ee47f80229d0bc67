import { formatInvite, parseInvite } from '@filer/protocol';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runHere } from '../../support/in-process.ts';
import { needs } from '../../support/needs.ts';
import type { ClientHere } from '../../support/network-here.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import type { Line } from '../../support/programs.ts';
import { ServersHere, type ServerHere } from '../../support/servers-here.ts';

type Servers = readonly [ServerHere, ServerHere, ServerHere];

/** Which machines a server knows, with their states. */
async function seenAt(server: ServerHere): Promise<string> {
  const { peers } = await server.ask('peers');
  return (peers as Line[]).map(({ name, state }) => `${String(name)} ${String(state)}`).join(', ');
}

/** Texts of the servers that a machine has, each as often as it has it. */
async function heardBy(client: ClientHere): Promise<string[]> {
  const { messages } = await client.ask('messages');
  return (messages as Line[]).flatMap(({ text, fromServer }) => (fromServer === true ? [String(text)] : []));
}

/** Titles of all reports that a server lists. */
async function titlesAt(server: ServerHere): Promise<string[]> {
  const { stdout } = await server.run('reports', '--json');
  return [...stdout.matchAll(/"title":\s*"(\w+)"/g)].map(([, title]) => title ?? '');
}

/** What a server knows of those who have delivered in the only run of a collect. */
async function deliveredAt(server: ServerHere): Promise<string[]> {
  const { machines } = await server.ask('collect', 'show', 'results');
  return (machines as Line[])
    .filter(({ state }) => state === 'delivered')
    .map(({ name, state, files }) => `${String(name)} ${String(state)} ${String(files)}`)
    .toSorted();
}

describe.skipIf(needs.postgres())('three servers on one database', () => {
  let cluster: PostgresCluster;
  let network: ServersHere;
  let servers: Servers;
  let anna: ClientHere;
  let bob: ClientHere;

  beforeAll(async () => {
    cluster = await PostgresCluster.start();
    network = await ServersHere.open(await cluster.freshDatabase(), { httpPort: 0 });
    const [a, b, c] = await network.startAll(3);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three were started');
    servers = [a, b, c];
    [anna, bob] = await Promise.all([network.add('anna', a), network.add('bob', a)]);
  });
  afterAll(async () => {
    await network[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  /** The server that holds the session of a machine. */
  async function serverOf(name: string): Promise<ServerHere> {
    const { peers } = await servers[0].ask('peers');
    const id = (peers as Line[]).find((peer) => peer['name'] === name)?.['server'];
    const server = servers.find((each) => each.id === id);
    if (server === undefined) throw new Error(`${name} is at no server`);
    return server;
  }

  test('are listed, and one of them runs the timers', async () => {
    for (const server of servers) {
      const document = await server.ask('servers');
      const listed = document['servers'] as Line[];
      expect(listed.map(({ id, state }) => `${String(id)} ${String(state)}`)).toEqual(
        servers.map(({ id }) => `${id} running`).toSorted(),
      );
      expect(listed.filter(({ here }) => here).map(({ id }) => id)).toEqual([server.id]);
      expect(listed.filter(({ timers }) => timers)).toHaveLength(1);
    }
  });

  test('agree on who is there, whichever a machine is connected to', async () => {
    for (const server of servers) await expect.poll(() => seenAt(server)).toBe('anna online, bob online');
    await anna.sees('bob');
    await bob.sees('anna');
    const { stdout } = await servers[1].run('peers');
    expect(stdout).toContain((await serverOf('anna')).id.slice(0, 12));
    const { link } = await servers[2].ask('dashboard');
    const { origin, hash } = new URL(String(link));
    const machines = await fetch(`${origin}/api/machines`, {
      headers: { authorization: `Bearer ${hash.replace(/^#token=/, '')}` },
    });
    expect(await machines.text()).toContain(`"servers":${servers.length}`);
  });

  test('each hand a text to the machines of all', async () => {
    for (const [n, server] of servers.entries()) {
      expect(await server.ask('broadcast', `text ${n}`)).toMatchObject({ reached: 2, offline: 0 });
      for (const client of [anna, bob])
        await expect.poll(async () => await heardBy(client)).toContain(`text ${n}`);
    }
  });

  test('rename a machine, whichever server is asked', async () => {
    const key = ['--network-key', `${servers[0].home}/network-key.pem`];
    for (const [n, server] of servers.entries()) {
      const { code, stderr } = await server.run(
        'rename',
        n === 0 ? 'bob' : `bob-${n}`,
        `bob-${n + 1}`,
        ...key,
      );
      expect([code, stderr]).toEqual([0, '']);
      for (const each of servers)
        await expect.poll(() => seenAt(each)).toBe(`anna online, bob-${n + 1} online`);
      await anna.sees(`bob-${n + 1}`);
    }
    await servers[1].run('rename', 'bob-3', 'bob', ...key);
    await anna.sees('bob');
  });

  test('admit one machine with an invite for one that is used at all of them at once', async () => {
    const invite = parseInvite((await servers[0].run('invite')).stdout.trim());
    // Each server is the first one of a third of the links.
    const links = servers.map((_, n) => {
      const addresses = [...invite.addresses.slice(n), ...invite.addresses.slice(0, n)];
      return formatInvite({ ...invite, addresses });
    });
    expect(new Set(links).size).toBe(servers.length);
    const tries = Array.from({ length: 50 }, (_, n) => {
      const args = ['join', '-', '--name', `try-${n}`];
      return runHere('filer-client', network.home(`try-${n}`), args, links[n % links.length]);
    });
    const codes = (await Promise.all(tries)).map(({ code }) => code);
    expect(codes.filter((code) => code === 0)).toHaveLength(1);
    expect(codes.filter((code) => code === 6)).toHaveLength(49);
    const { stdout: two } = await servers[0].run('invite', '--uses', '6');
    const named = Array.from({ length: 6 }, (_, n) =>
      runHere('filer-client', network.home(`same-${n}`), ['join', '-', '--name', 'same'], two.trim()),
    );
    expect((await Promise.all(named)).filter(({ code }) => code === 0)).toHaveLength(1);
  });

  test('remove a machine, whichever server is asked', async () => {
    const key = ['--network-key', `${servers[0].home}/network-key.pem`];
    for (const [n, server] of servers.entries()) {
      expect(await network.join(`guest-${n}`, servers[0])).toMatchObject({ code: 0 });
      // Of an invite with the addresses of all servers it keeps those of the one that it joined at.
      const kept = await readFile(join(network.home(`guest-${n}`), 'membership.json'), 'utf8');
      expect(JSON.parse(kept)).toMatchObject({ server: { addresses: [expect.any(String)] } });
      for (const each of servers) await expect.poll(() => seenAt(each)).toContain(`guest-${n}`);
      expect(await server.run('remove', `guest-${n}`, '--yes', ...key)).toMatchObject({ code: 0 });
      for (const each of servers) await expect.poll(() => seenAt(each)).not.toContain(`guest-${n}`);
    }
  });

  test('each take reports, which all of them list', async () => {
    await anna.ask('report', '--title', 'one');
    await expect.poll(() => titlesAt(servers[0])).toEqual(['one']);
    await bob.ask('report', '--title', 'two');
    for (const server of servers) await expect.poll(() => titlesAt(server)).toEqual(['one', 'two']);
  });

  test('each collect from the machines that it holds, and a run that is asked of one of them is one run', async () => {
    for (const [name, client] of [
      ['anna', anna],
      ['bob', bob],
    ] as const) {
      const folder = join(network.folder, `${name}-results`);
      await mkdir(folder);
      await writeFile(join(folder, 'a.txt'), name);
      await client.ask('share', 'add', folder, '--as', 'results', '--server');
    }
    const to = join(network.folder, 'collected');
    const what = ['--from', '@all', '--path', 'results/**', '--every', 'day@03:00', '--to', to];
    await servers[0].ask('collect', 'add', 'results', ...what);
    await servers[1].run('collect', 'run', 'results');
    for (const server of servers)
      await expect.poll(() => deliveredAt(server)).toEqual(['anna delivered 1', 'bob delivered 1']);
    const files = await readdir(to, { recursive: true });
    expect(files.filter((file) => file.endsWith('a.txt'))).toHaveLength(2);
  });

  test('a machine leaves a server that is removed, and one that still runs is named as removed', async () => {
    const first = await serverOf('bob');
    const [other = first] = servers.filter((each) => each !== first);
    const key = ['--network-key', `${servers[0].home}/network-key.pem`];
    const { code, stderr } = await other.run('servers', 'remove', first.id, '--yes', ...key);
    expect([code, stderr]).toEqual([0, '']);
    // It learns of it by its next beat; a test does not wait for that.
    await first.daemon.group?.listChanged();
    await expect.poll(async () => (await serverOf('bob')).id).not.toBe(first.id);
    await expect.poll(() => seenAt(other)).toContain('bob online');
    const { servers: listed } = await other.ask('servers');
    expect((listed as Line[]).find(({ id }) => id === first.id)).toMatchObject({ state: 'removed' });
  });

  test('a machine goes to another server when its own one ends, and knows nothing else of it', async () => {
    const first = await serverOf('bob');
    const others = servers.filter((each) => each !== first);
    // What it reports while it changes servers is stored once.
    const reported = Promise.all(
      ['three', 'four', 'five'].map((title) => bob.ask('report', '--title', title)),
    );
    await Promise.all([first.daemon.close(), reported]);
    for (const each of others) await expect.poll(() => seenAt(each)).toContain('bob online');
    await bob.status(({ spool }) => spool === 0);
    for (const each of others)
      await expect
        .poll(async () => (await titlesAt(each)).toSorted())
        .toEqual(['five', 'four', 'one', 'three', 'two']);
    const [other = first] = others;
    const { servers: listed } = await other.ask('servers');
    expect((listed as Line[]).find(({ id }) => id === first.id)).toMatchObject({ state: 'stopped' });
  });
});
