import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, open, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { askHere, until } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import type { Line } from '../support/programs.ts';
import { listOf, TestNetwork } from '../support/test-network.ts';

const run = promisify(execFile);
const MiB = 1024 * 1024;

/** Holds the write lock of a database until its standard input ends. */
const LOCKER = `
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(process.argv[1]);
  database.exec('BEGIN IMMEDIATE');
  console.log('locked');
  process.stdin.resume().on('end', () => database.close());
`;

const databaseOf = (network: TestNetwork): string => join(network.serverHome, 'ip-server.db');

const storeProblem = async (network: TestNetwork, problem: RegExp | null): Promise<Line> =>
  until(
    async () => (await askHere('ip-server', network.serverHome, ['status']))[0] ?? {},
    ({ storeProblem: said }) => (problem === null ? said === null : problem.test(String(said))),
  );

/** Reports by hand through the daemon. @returns what the command said */
const report = async (network: TestNetwork, value: string): Promise<Line | undefined> =>
  (await network.ask('anna', 'report', `n=${value}`)).at(-1);

/** Waits until nothing waits at the machine any more. @returns the values that the server has */
async function arrived(network: TestNetwork): Promise<unknown[]> {
  await network.drained('anna');
  const reports = listOf(await network.askServer('reports'), 'reports');
  return reports.map(({ values }) => (values as Record<string, string>)['n']?.slice(0, 3));
}

/** What continues while the store fails. */
async function expectPresence(network: TestNetwork): Promise<void> {
  const peers = listOf(await network.askServer('peers'), 'peers');
  expect(peers).toEqual([expect.objectContaining({ name: 'anna', online: true })]);
}

test.concurrent(
  'a database that another program keeps locked for long is told, and reports come once it is free',
  async () => {
    await using network = await TestNetwork.open({ running: ['anna'] });
    expect(await report(network, 'one')).toMatchObject({ stored: true });
    const locker = spawn(process.execPath, ['-e', LOCKER, databaseOf(network)]);
    await once(locker.stdout, 'data');
    const waiting = report(network, 'two');
    await storeProblem(network, /another program keeps .*ip-server\.db locked: end it/);
    await expectPresence(network);
    expect((await waiting)?.['stored']).toBe(false);
    locker.stdin.end();
    await once(locker, 'close');

    expect(await arrived(network)).toEqual(['one', 'two']);
    await storeProblem(network, null);
  },
);

test.concurrent(
  'a database that is damaged while it is used is told, and reports wait for its backup',
  async () => {
    await using network = await TestNetwork.open({ running: ['anna'] });
    expect(await report(network, 'one')).toMatchObject({ stored: true });
    const file = databaseOf(network);
    const backup = network.path('backup.db');
    const other = new DatabaseSync(file);
    other.exec(`VACUUM INTO '${backup}'`);
    other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    const { rootpage } =
      other.prepare(`SELECT rootpage FROM sqlite_schema WHERE name = 'reports_received'`).get() ?? {};
    const damage = await open(file, 'r+');
    await damage.write(Buffer.alloc(4_096, 0xff), 0, 4_096, (Number(rootpage) - 1) * 4_096);
    await damage.close();
    // Somebody else's write makes the server read its pages again.
    other.exec(`INSERT INTO meta VALUES ('somebody', 'else')`);
    other.close();
    expect(await report(network, 'two')).toMatchObject({ stored: false });
    const { storeProblem: problem } = await storeProblem(network, /ip-server\.db cannot be read or written/);

    expect(problem).toContain('restore the home from a backup');
    await expectPresence(network);
    await network.server.stop();
    for (const suffix of ['', '-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
    await copyFile(backup, file);
    await network.startServer();
    expect(await arrived(network)).toEqual(['one', 'two']);
    await storeProblem(network, null);
  },
);

test.skipIf(needs.namespaces())(
  'a full disk at the server is told, and reports come once there is room',
  async () => {
    await using network = await TestNetwork.open();
    await network.server.stop();
    await rm(network.serverHome, { recursive: true });
    await mkdir(network.serverHome, { mode: 0o700 });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'tmpfs', network.serverHome]);
    try {
      await network.startServer();
      await network.add('anna');
      const large = (n: string): string => n + 'y'.repeat(40_000);
      expect(await report(network, large('one'))).toMatchObject({ stored: true });
      const ballast = join(network.serverHome, 'ballast');
      const { bavail, bsize } = await statfs(network.serverHome);
      await writeFile(ballast, Buffer.alloc(bavail * bsize - ((bavail * bsize) % MiB)));
      await writeFile(`${ballast}-2`, Buffer.alloc(2 * MiB)).catch(() => undefined);
      const expected = ['one'];
      for (let n = 100, isStored = true; isStored; n++) {
        expected.push(String(n));
        isStored = (await report(network, large(String(n))))?.['stored'] === true;
      }
      await storeProblem(network, /make room (?:there|on that disk)/);
      await expectPresence(network);
      await rm(ballast);

      expect(await arrived(network)).toEqual(expected);
      await storeProblem(network, null);
    } finally {
      await network.server.stop('SIGKILL');
      await run('umount', ['--lazy', network.serverHome]);
    }
  },
);
