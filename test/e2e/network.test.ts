import { cp, readFile, stat, utimes } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { parseReceipts } from '@filer/protocol';
import { verifyReceipts } from '@filer/transfer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/in-process.ts';
import type { Line } from '../support/programs.ts';
import { filesBelow, listOf, sha256, TestNetwork } from '../support/test-network.ts';

const ISO_TIME = /^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z$/;
/** How a daemon ends that was told to stop, and did. */
const ORDERLY = [0, 143];
const ID = /^[A-Z2-7]{52}$/;

/** The reports that the server has, each as its one value. */
async function reported(network: TestNetwork): Promise<unknown[]> {
  const document = await network.askServer('reports');
  return listOf(document, 'reports').map((report) => report['values']);
}

async function texts(network: TestNetwork, name: string): Promise<unknown[]> {
  const [document] = await network.ask(name, 'messages');
  return listOf(document, 'messages').map(({ from, text }) => `${String(from)}: ${String(text)}`);
}

function isConnected(status: Line | undefined): boolean {
  const { connected } = (status?.['server'] ?? {}) as Line;
  return connected === true;
}

describe('two machines that run and one that only joined', () => {
  let network: TestNetwork;

  beforeAll(async () => {
    network = await TestNetwork.open({ spawns: true });
    await Promise.all([
      network.join('anna').then(() => network.start('anna')),
      network.join('bob', '--group', 'lab').then(() => network.start('bob')),
      network.join('carol', '--group', 'lab,film'),
    ]);
    await network.sees('anna', (peers) => peers.length === 2);
    await network.seesAs('anna', 'bob', 'online');
  });
  afterAll(() => network.close());

  test('peers lists the others with every field that programs rely on', async () => {
    const [document] = await network.ask('anna', 'peers');
    const bob = network.daemon('bob');

    expect(document).toEqual({
      server: { connected: true, asOf: expect.stringMatching(ISO_TIME) },
      peers: [
        {
          id: bob.id,
          name: 'bob',
          groups: ['lab'],
          online: true,
          state: 'online',
          lastSeen: expect.stringMatching(ISO_TIME),
          addresses: [bob.listen],
          via: 'direct',
          version: expect.toSatisfy((version) => version === null || typeof version === 'string'),
        },
        {
          id: expect.stringMatching(ID),
          name: 'carol',
          groups: ['film', 'lab'],
          online: false,
          state: expect.stringMatching(/^(stopped|lost)$/),
          lastSeen: expect.stringMatching(ISO_TIME), // when it joined
          addresses: [],
          via: null,
          version: null,
        },
      ],
    });
  });

  test('peers --all lists this machine, too, and says so', async () => {
    const peers = await network.peers('anna', '--all');

    expect(peers.map(({ name, self }) => [name, self])).toEqual([
      ['anna', true],
      ['bob', undefined],
      ['carol', undefined],
    ]);
  });

  test('without a daemon peers comes from the server', async () => {
    const peers = await network.peers('carol');

    expect(peers.map(({ name, state }) => [name, state])).toEqual([
      ['anna', 'online'],
      ['bob', 'online'],
    ]);
  });

  test('ip-server peers lists the same machines with their last heartbeat', async () => {
    const document = await until(
      () => network.askServer('peers'),
      (answer) => listOf(answer, 'peers').some(({ lastHeartbeat }) => lastHeartbeat !== null),
    );
    const [anna] = listOf(document, 'peers');

    expect(anna).toMatchObject({
      id: network.daemon('anna').id,
      name: 'anna',
      groups: [],
      online: true,
      state: 'online',
      lastSeen: expect.stringMatching(ISO_TIME),
      addresses: [network.daemon('anna').listen],
    });
    expect(document).toHaveProperty('server.connected');
    expect(document).toHaveProperty('server.asOf');
  });

  test('status tells who this machine is, with and without a daemon', async () => {
    const [running] = await network.ask('anna', 'status');
    const [resting] = await network.ask('carol', 'status');

    expect(running).toMatchObject({
      id: network.daemon('anna').id,
      name: 'anna',
      network: expect.stringMatching(ID),
      running: true,
      server: { connected: true, address: network.server.listen },
      listen: network.daemon('anna').listen,
      spool: 0,
      jobs: 0,
      connections: expect.any(Number),
    });
    expect(resting).toMatchObject({ name: 'carol', running: false, listen: null });
  });

  test('a file sent through the daemon arrives whole, with its time, and its signed receipt is kept', async () => {
    const file = await network.file('film.mov', 3_000_000);
    await utimes(file, 1_600_000_000, 1_600_000_000.25);
    const lines = await network.ask('anna', 'send', file, '--to', 'bob', '--note', 'first cut');
    const arrived = network.inbox('bob', 'anna', 'film.mov');

    expect(await sha256(arrived)).toBe(await sha256(file));
    expect((await stat(arrived)).mtimeMs).toBeCloseTo(1_600_000_000_250, 2);
    const done = lines.at(-1);
    const { job } = done ?? {};
    expect(done).toEqual({
      type: 'done',
      job: expect.any(String),
      ok: true,
      exitCode: 0,
      filesSent: 1,
      filesSkipped: 0,
      filesKept: 0,
      filesFailed: 0,
      filesRemoved: 0,
      linksLeftOut: 0,
      bytesSent: 3_000_000,
      bytesTotal: 3_000_000,
      recipients: [
        {
          name: 'bob',
          id: network.daemon('bob').id,
          ok: true,
          state: 'delivered',
          code: null,
          status: expect.any(String),
          connection: 'direct',
        },
      ],
    });
    expect([...new Set(lines.map(({ type }) => type))]).toEqual(
      expect.arrayContaining(['job', 'progress', 'file', 'receipt', 'done']),
    );

    const database = new DatabaseSync(`${network.home('anna')}/filer.db`, { readOnly: true });
    const rows = database.prepare('SELECT document FROM receipts WHERE job = ?').all(String(job));
    database.close();
    const batches = rows.map(({ document }) =>
      parseReceipts({ header: { type: 'receipts' }, content: Buffer.from(String(document)) }),
    );
    expect(batches.flatMap(({ files }) => files.map(({ name, size }) => [name, size]))).toEqual([
      ['film.mov', 3_000_000],
    ]);
    for (const batch of batches) {
      verifyReceipts(batch);
      expect(batch).toMatchObject({ sender: network.daemon('anna').id, receiver: network.daemon('bob').id });
    }
  });

  test('the receiver lists it in its inbox and its daemon says so', async () => {
    const [document] = await network.ask('bob', 'inbox');
    const path = network.inbox('bob', 'anna', 'film.mov');

    expect(listOf(document, 'items')).toEqual([
      {
        id: expect.any(String),
        from: 'anna',
        fromId: network.daemon('anna').id,
        path,
        name: 'film.mov',
        size: 3_000_000,
        digest: expect.stringMatching(/^blake3:[0-9a-f]{64}$/),
        receivedAt: expect.stringMatching(ISO_TIME),
        note: 'first cut',
        state: 'received',
      },
    ]);
    await network.daemon('bob').said(`from anna (first cut): ${path}`);
    expect(await network.daemon('bob').typed('received')).toMatchObject({
      name: 'film.mov',
      from: 'anna',
      path,
    });
  });

  test('several files go to several machines, also without a daemon at the sender', async () => {
    const files = await Promise.all([network.file('a.bin', 500_000), network.file('b.bin', 0)]);
    const lines = await network.ask('carol', 'send', ...files, '--to', 'anna', '--to', 'bob');

    expect(lines.at(-1)).toMatchObject({
      ok: true,
      filesSent: 4,
      bytesSent: 1_000_000,
      bytesTotal: 1_000_000,
    });
    for (const name of ['anna', 'bob']) {
      for (const file of ['a.bin', 'b.bin']) {
        expect(await sha256(network.inbox(name, 'carol', file))).toBe(await sha256(network.path(file)));
      }
    }
  });

  test('a group and an id name recipients as a name does', async () => {
    const file = await network.file('c.bin');
    const byGroup = await network.ask('anna', 'send', file, '--to', '@lab', '--timeout', '30s').catch(String);
    const byId = await network.ask('anna', 'send', file, '--to', network.daemon('bob').id.toLowerCase());

    expect(byGroup).toMatch(/exit 8/); // carol is in the group and runs no daemon
    expect(byId.at(-1)).toMatchObject({ ok: true, filesSkipped: 1, bytesSent: 0 }); // bob has it already
    expect(await filesBelow(network.inbox('bob', 'anna'))).toContain('c.bin');
  });

  test('names that look like numbers or options are taken as typed', async () => {
    await network.file('007');
    const sent = await network.client('anna', ['send', '--to', 'bob', '--', '007'], { cwd: network.folder });
    expect(sent.code).toBe(0);
    await network.ask('anna', 'message', 'bob', '1e3');

    expect(await filesBelow(network.inbox('bob', 'anna'))).toContain('007');
    expect(await texts(network, 'bob')).toContain('anna: 1e3');
  });

  test('a message reaches one machine, from a machine with and without a daemon', async () => {
    const [outcome] = await network.ask('anna', 'message', 'bob', 'lunch?');
    await network.ask('carol', 'message', 'bob', 'where are \u001B[31myou\u202E?');

    expect(outcome).toMatchObject({ via: 'direct', reached: 1, offline: 0, failed: [] });
    expect(await texts(network, 'bob')).toEqual(
      expect.arrayContaining(['anna: lunch?', 'carol: where are \u001B[31myou\u202E?']),
    );
    await network.daemon('bob').said('message from anna: lunch?');
    await network.daemon('bob').said('message from carol: where are ');
    expect(network.daemon('bob').stderr).not.toMatch(/[\u001B\u202E]/);
    const { stdout } = await network.client('bob', ['messages']);
    expect(stdout).not.toMatch(/[\u001B\u202E]/);
  });

  test('a broadcast reaches everyone through the server, and not its sender', async () => {
    const [outcome] = await network.ask('anna', 'broadcast', 'the build is out');
    const [without] = await network.ask('carol', 'broadcast', 'so it is');

    expect(outcome).toMatchObject({ to: '@all', via: 'server', reached: 1 });
    expect(without).toMatchObject({ to: '@all', via: 'server', reached: 2 });
    await until(
      () => texts(network, 'bob'),
      (all) => all.includes('carol: so it is'),
    );
    expect(await texts(network, 'bob')).toContain('anna: the build is out');
    expect(await texts(network, 'anna')).not.toContain('anna: the build is out');
  });

  test('the server itself can broadcast', async () => {
    expect((await network.ofServer(['broadcast', 'back at five'])).code).toBe(0);
    await Promise.all(
      ['anna', 'bob'].map((name) =>
        until(
          () => texts(network, name),
          (all) => all.includes('ip-server: back at five'),
        ),
      ),
    );
  });

  test('reports are stored with what they hold, with and without a daemon', async () => {
    const [one] = await network.ask('anna', 'report', 'temperature=21.5', 'note=a=b', '--title', 'nightly');
    const [two] = await network.ask('carol', 'report', 'state=ok');

    expect(one).toMatchObject({ stored: true, spooled: 0 });
    expect(two).toMatchObject({ stored: true, spooled: 0 });
    const document = await network.askServer('reports');
    expect(listOf(document, 'reports')).toEqual([
      {
        id: expect.anything(),
        peer: expect.anything(),
        peerId: expect.anything(),
        spool: expect.stringMatching(/^[0-9a-f]{32}$/),
        seq: 1,
        kind: 'user',
        time: expect.stringMatching(ISO_TIME),
        receivedAt: expect.stringMatching(ISO_TIME),
        title: 'nightly',
        schedule: null,
        values: { temperature: '21.5', note: 'a=b' },
        output: null,
        run: null,
        attachments: [],
      },
      expect.objectContaining({ peer: 'carol', title: null, values: { state: 'ok' } }),
    ]);
  });

  test('peers --watch shows a machine that comes and goes', async () => {
    const watch = network.follow('anna', ['peers', '--watch', '--json']);
    const stateOf = (line: Line) => listOf(line, 'peers').find(({ name }) => name === 'dora')?.['state'];
    await network.add('dora');
    await watch.line((line) => stateOf(line) === 'online');
    expect(ORDERLY).toContain(await network.daemon('dora').stop());
    await watch.line((line) => stateOf(line) === 'stopped');

    expect(await watch.stop('SIGINT')).toBe(130);
    expect(watch.stderr).toBe('');
  });

  test('peers --watch without a daemon keeps to one session with the server', async () => {
    // Carol runs no daemon.
    const sessions = (): number => network.server.count(/peer connected peer=carol .*role=command/);
    const before = sessions();
    const watch = network.follow('carol', ['peers', '--watch', '--json']);
    const stateOf = (line: Line) => listOf(line, 'peers').find(({ name }) => name === 'frida')?.['state'];
    await network.add('frida');
    await watch.line((line) => stateOf(line) === 'online');
    await network.daemon('frida').stop();
    await watch.line((line) => stateOf(line) === 'stopped');

    expect(await watch.stop('SIGINT')).toBe(130);
    expect(sessions()).toBe(before + 1);
  });

  test('a killed machine is lost, and is back as soon as it is started again', async () => {
    await network.add('erik');
    await network.seesAs('anna', 'erik', 'online');
    await network.daemon('erik').stop('SIGKILL');
    await network.seesAs('anna', 'erik', 'lost');
    await network.start('erik');
    await network.finds('anna', 'erik');
    const file = await network.file('for-erik.bin');
    await network.ask('anna', 'send', file, '--to', 'erik');

    expect(await sha256(network.inbox('erik', 'anna', 'for-erik.bin'))).toBe(await sha256(file));
  });
});

describe('while the server is away', () => {
  let network: TestNetwork;

  beforeAll(async () => {
    network = await TestNetwork.open({ running: ['anna', 'bob'] });
    await network.join('carol');
    await Promise.all([
      network.seesAs('anna', 'bob', 'online'),
      network.seesAs('bob', 'anna', 'online'),
      network.seesAs('carol', 'bob', 'online'),
    ]);
    await network.ask('anna', 'report', 'n=0');
    await network.server.stop();
    await until(
      () => network.ask('anna', 'status'),
      ([status]) => !isConnected(status),
    );
  });
  afterAll(() => network.close());

  test('peers comes from the disk and says so', async () => {
    const { code, stderr, stdout } = await network.client('carol', ['peers']);

    expect(code).toBe(0);
    expect(stdout).toMatch(/^bob /m);
    expect(stderr).toMatch(/the ip-server is away: this is the directory on this machine's disk/);
    const [document] = await network.ask('anna', 'peers');
    expect(document).toMatchObject({ server: { connected: false, asOf: expect.stringMatching(ISO_TIME) } });
  });

  test('files go from machine to machine, with and without a daemon at the sender', async () => {
    const file = await network.file('direct.bin', 1_000_000);
    await network.ask('anna', 'send', file, '--to', 'bob');
    await network.ask('carol', 'send', file, '--to', 'bob');

    expect(await sha256(network.inbox('bob', 'anna', 'direct.bin'))).toBe(await sha256(file));
    expect(await sha256(network.inbox('bob', 'carol', 'direct.bin'))).toBe(await sha256(file));
  });

  test('messages and broadcasts go straight to those who answer', async () => {
    await network.ask('anna', 'message', 'bob', 'hello');
    const direct = await network.client('anna', ['broadcast', 'to all', '--json']);

    expect(JSON.parse(direct.stdout)).toMatchObject({ via: 'direct', reached: 1, offline: 1 });
    expect(await texts(network, 'bob')).toEqual(expect.arrayContaining(['anna: hello', 'anna: to all']));
  });

  test('reports wait on disk, and arrive once and in order when it is back, though everything was killed', async () => {
    for (const n of [1, 2]) {
      const [waiting] = await network.ask('anna', 'report', `n=${n}`);
      expect(waiting).toMatchObject({ stored: false, spooled: n });
    }
    await network.daemon('anna').stop('SIGKILL');
    const [third] = await network.ask('anna', 'report', 'n=3'); // no daemon at all
    expect(third).toMatchObject({ stored: false, spooled: 3 });
    await network.startAlone('anna');
    await network.startServer();
    const all = await until(
      () => reported(network),
      (values) => values.length >= 4,
    );

    expect(all).toEqual([{ n: '0' }, { n: '1' }, { n: '2' }, { n: '3' }]);
    const [status] = await until(
      () => network.ask('anna', 'status'),
      ([answer]) => answer?.['spool'] === 0,
    );
    expect(status).toMatchObject({ running: true });
    await network.ask('anna', 'report', 'n=4');
    expect((await reported(network)).length).toBe(5);
  });

  test('machines come back by themselves when it does', async () => {
    await network.daemon('bob').said('connected to the ip-server', 2);
    expect(await network.seesAs('carol', 'bob', 'online')).toMatchObject({ online: true });
    expect(await network.seesAs('carol', 'anna', 'online')).toMatchObject({ online: true });
  });

  test('a server that stops says goodbye and ends in order', async () => {
    const code = await network.server.stop();
    await network.daemon('bob').said('the ip-server says goodbye');

    expect(ORDERLY).toContain(code);
  });
});

describe('members that go, and servers that move', () => {
  let network: TestNetwork;

  beforeAll(async () => {
    network = await TestNetwork.open({ running: ['anna', 'bob', 'mallory'] });
    await network.seesAs('anna', 'mallory', 'online');
  });
  afterAll(() => network.close());

  test('a removed machine is cut off everywhere at once, and its name is free', async () => {
    const mallory = network.daemon('mallory');
    const removed = await network.askServer('remove', 'mallory', '--yes');
    expect(removed).toMatchObject({ removed: { id: mallory.id, name: 'mallory' } });
    await mallory.said(/removed from the network/);
    await network.sees('anna', (peers) => peers.every(({ name }) => name !== 'mallory'));
    const all = await network.peers('anna', '--all');
    expect(all.find(({ name }) => name === 'mallory')).toMatchObject({ state: 'removed', online: false });

    const file = await network.file('late.bin');
    const out = await network.client('mallory', ['send', file, '--to', 'anna', '--json']);
    expect(out.code).toBe(6);
    expect(await filesBelow(network.inbox('anna'))).toEqual([]);
    const to = await network.client('anna', ['send', file, '--to', mallory.id]);
    expect(to.code).toBe(6);
    await mallory.stop();

    const link = await network.invite();
    const again = await network.client('fresh', ['join', '-', '--name', 'mallory'], { input: link });
    expect(again.code).toBe(0);
    await network.start('fresh');
    await network.seesAs('anna', 'mallory', 'online');
    await network.ask('anna', 'send', file, '--to', 'mallory');
    expect(await filesBelow(network.inbox('fresh'))).toEqual(['anna/late.bin']);
  });

  test('a machine that leaves stops, and is no member any more', async () => {
    const [left] = await network.ask('bob', 'leave', '--yes');
    expect(left).toMatchObject({ name: 'bob', told: true, spooled: 0 });
    await network.daemon('bob').ended;
    expect(network.daemon('bob').child.exitCode).toBe(0);
    await network.sees('anna', (peers) => peers.every(({ name }) => name !== 'bob'));
    expect((await network.client('bob', ['status'])).code).toBe(3);
  });

  test('clients find a server that moved once they are told where', async () => {
    await network.join('zoe');
    await network.server.stop();
    network.moveServer();
    const moved = await network.startServer();
    await network.ask('anna', 'server', moved.listen);
    await network.daemon('anna').said('connected to the ip-server', 2);
    const [told] = await network.ask('zoe', 'server', moved.listen);
    expect(told).toMatchObject({ address: moved.listen, connected: true });
    await network.seesAs('zoe', 'anna', 'online');
  });

  test('two daemons with one identity are told what to do about it, and then are two machines', async () => {
    await network.daemon('anna').stop();
    await cp(network.home('anna'), network.home('clone'), { recursive: true });
    const [one, other] = await Promise.all([network.startAlone('anna'), network.startAlone('clone')]);
    await Promise.all(
      [one, other].map((daemon) =>
        daemon.said(/another running daemon has the same identity.*join - --new-identity/),
      ),
    );
    await other.stop();
    const link = await network.invite();
    const joined = await network.client('clone', ['join', '-', '--new-identity', '--name', 'clone'], {
      input: link,
    });
    expect(joined.stderr).toMatch(/filer-client start/);
    expect(joined.code).toBe(0);
    const clone = await network.start('clone');
    expect(clone.id).not.toBe(one.id);
    await network.seesAs('zoe', 'clone', 'online');
    const key = await readFile(`${network.home('clone')}/key.pem`, 'utf8');
    expect(key).not.toBe(await readFile(`${network.home('anna')}/key.pem`, 'utf8'));
  });
});
