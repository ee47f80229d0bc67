import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseInvite } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { chooseStore } from '../support/engine.ts';
import { freshFolder, ipServer, ipServerJson, RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

const IP_SERVER = fileURLToPath(new URL('../../apps/ip-server/bin/ip-server.js', import.meta.url));

describe('start', () => {
  test('says that it is ready once its control socket answers, and asks once to back up the key', async () => {
    await using server = await RunningServer.start();

    expect(server.daemon.ready).toEqual({
      type: 'ready',
      id: server.id,
      listen: `127.0.0.1:${server.port}`,
      http: null,
    });
    expect(server.daemon.stderr).toContain('ip-server network-key export FILE');
    expect(await server.json('status')).toMatchObject({
      id: server.id,
      running: true,
      http: null,
      members: 0,
    });
    await server.stop();
    await using again = await server.again();
    expect(again.id).toBe(server.id);
    expect(again.daemon.stderr).not.toContain('network-key export');
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s ends it in order, with the exit code of the signal',
    async (signal) => {
      await using server = await RunningServer.start();
      const member = await TestMember.join(await server.invite(), 'anna');
      const connection = await member.connect();

      expect(await server.stop(signal)).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(connection.goodbyes).toBe(1);
      expect(await connection.session.closed).toBeUndefined();
      expect(await server.json('status')).toMatchObject({ running: false, members: 1 });
    },
  );

  test('a second one on the same home is refused and the first one stays', async () => {
    await using server = await RunningServer.start();
    const second = await server.run('start', '--port', '0');

    expect(second).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is in use by process') as unknown,
    });
    expect(await server.json('status')).toMatchObject({ running: true });
  });

  test('a port in use is one line with exit code 1, and the home is free again', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? String(address.port) : '';
    const home = await freshFolder();
    const { code, stdout, stderr } = await ipServer(
      home,
      'start',
      '--host',
      '127.0.0.1',
      '--port',
      port,
      '--json',
    );
    taken.close();

    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'error', code: 'port-in-use', exitCode: 1 });
    expect(stderr.split('\n').filter((line) => line.startsWith('ip-server:'))).toHaveLength(1);
    expect((await ipServer(home, 'invite')).code).toBe(0);
  });

  test('a home that cannot be written is one line with exit code 1', async () => {
    const file = join(await freshFolder(), 'file');
    await writeFile(file, '');
    const { code, stdout, stderr } = await ipServer(join(file, 'home'), 'start', '--port', '0');

    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^ip-server: cannot use .*IP_SERVER_HOME.*\n$/);
  });

  test('a wrong value is a usage error that names the flag and shows a right one', async () => {
    const { code, stderr } = await ipServer(await freshFolder(), 'start', '--report-interval', '1ms');

    expect(code).toBe(2);
    expect(stderr).toMatch(/--report-interval takes .* such as 5?10?s/);
  });
});

describe('a stopped server', () => {
  test('that never ran still invites, and the link leads to where it then listens', async () => {
    const home = await freshFolder();
    const { stdout, stderr, code } = await ipServer(home, 'invite', '--group', 'lab', '--uses', '2');
    expect(code).toBe(0);
    const { addresses, grant } = parseInvite(stdout);
    expect(stdout).toMatch(/^filer:\/\/\S+\n$/);
    expect(addresses[0]?.port).toBe(10_901);
    expect(stderr).toContain('filer join -');
    expect(stderr).toContain('network-key export FILE');
    await using server = await RunningServer.start([], home);

    expect(grant.server).toBe(server.id);
    const here = stdout.replace(/^filer:\/\/[^/]+/, `filer://127.0.0.1:${server.port}`);
    await expect(TestMember.join(here, 'anna')).resolves.toBeDefined();
  });

  test('has peers and reports as they were, and says what needs it to run', async () => {
    await using server = await RunningServer.start();
    const member = await TestMember.join(await server.invite(), 'anna');
    const connection = await member.connect();
    await connection.heartbeat();
    await connection.report(1, { a: 'b' });
    await server.stop();

    expect(await server.json('peers')).toMatchObject({
      server: { connected: false },
      peers: [{ name: 'anna', online: false, lastHeartbeat: { load: 0.25 } }],
    });
    expect(await server.reports()).toMatchObject([{ values: { a: 'b' } }]);
    expect(await server.run('broadcast', 'hi')).toMatchObject({ code: 12 });
    expect(parseInvite(await server.invite()).addresses).toEqual([{ host: '127.0.0.1', port: server.port }]);
  });

  test('ten invites made at once are ten invites', async () => {
    const home = await freshFolder();
    const made = await Promise.all(Array.from({ length: 10 }, () => ipServer(home, 'invite')));

    expect(made.map(({ code }) => code)).toEqual(Array.from({ length: 10 }, () => 0));
    expect(await ipServerJson(home, 'invite', '--list')).toMatchObject({ invites: { length: 10 } });
  });

  test('that starts while invites are made starts, and all of them count', async () => {
    const home = await freshFolder();
    await chooseStore(home);
    const inviting = Array.from({ length: 3 }, () => ipServer(home, 'invite'));
    await using server = await RunningServer.start([], home);
    const made = await Promise.all(inviting);

    expect(made.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(await server.json('invite', '--list')).toMatchObject({ invites: { length: 3 } });
  });

  test('in a home where none ever ran has nothing to say', async () => {
    const home = await freshFolder();

    expect((await ipServer(home, 'peers')).code).toBe(12);
    expect((await ipServer(home, 'reports')).code).toBe(12);
  });
});

test('an invite names what was advertised', async () => {
  await using server = await RunningServer.start(['--advertise', 'files.example:7,192.0.2.9:8']);

  expect(parseInvite(await server.invite()).addresses).toEqual([
    { host: 'files.example', port: 7 },
    { host: '192.0.2.9', port: 8 },
  ]);
});

test('peers --watch prints one document for each change', async () => {
  await using server = await RunningServer.start();
  const link = await server.invite();
  const watching = spawn(process.execPath, [IP_SERVER, 'peers', '--watch', '--json'], {
    env: { ...process.env, IP_SERVER_HOME: server.home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const documents: unknown[] = [];
  const lines = createInterface({ input: watching.stdout });
  lines.on('line', (line) => documents.push(JSON.parse(line)));
  await expect.poll(() => documents).toHaveLength(1);
  await TestMember.join(link, 'anna');
  await expect.poll(() => documents).toHaveLength(2);
  watching.kill('SIGINT');
  const [code] = await once(watching, 'close');

  expect(code).toBe(130);
  expect(documents).toMatchObject([{ peers: [] }, { peers: [{ name: 'anna' }] }]);
});
