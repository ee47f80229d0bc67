import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { FilerError } from '@filer/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ImageDisk } from '../../faults/image-disk.ts';
import { attach, attachmentOf, reportWith } from '../../support/attach.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { ServersHere, type ServerHere } from '../../support/servers-here.ts';
import { TestMember } from '../../support/test-member.ts';
import { filesBelow } from '../../support/test-network.ts';

const run = promisify(execFile);
const SPOOL = 'ab'.repeat(16);

describe.skipIf(needs.postgres())('files of machines at several servers', () => {
  let cluster: PostgresCluster;
  let network: ServersHere;
  let shared: string;
  let out: string;
  let seq = 0;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());
  beforeEach(async () => {
    network = await ServersHere.open(await cluster.freshDatabase());
    onTestFinished(() => network[Symbol.asyncDispose]());
    shared = join(network.folder, 'shared');
    await mkdir(shared);
    out = join(network.folder, 'out');
    seq = 0;
  });

  const member = async (server: ServerHere): Promise<TestMember> => {
    const { stdout } = await server.run('invite');
    return await TestMember.join(stdout.trim(), 'anna');
  };

  /** Reports with one file. @throws FilerError the server's refusal */
  async function reportFile(anna: TestMember, content: string): Promise<void> {
    const key = { spool: SPOOL, seq: ++seq };
    const file = join(network.folder, `file-${seq}`);
    await writeFile(file, content);
    await using session = await anna.connect();
    const outcome = await attach(anna, key, [{ file, name: 'a.log' }]);
    if (!outcome.ok)
      throw outcome.error ?? new FilerError(outcome.files[0]?.code ?? 'internal', 'it did not come');
    await reportWith(session, key, [await attachmentOf(file, 'a.log')]);
  }

  /** What a server gives of the files of a report, or why not. */
  async function read(server: ServerHere, id: number): Promise<string> {
    const to = join(out, `${server.id.slice(0, 4)}-${id}`);
    const { code, stderr } = await server.run('reports', 'get', String(id), '--out', to);
    return code === 0 ? await readFile(join(to, 'a.log'), 'utf8') : stderr;
  }

  test('in the folder that all share are read at each, whoever took them', async () => {
    const a = await network.start('a', { files: shared });
    // The others know it of the database.
    const b = await network.start('b', { httpPort: 0 });
    const anna = await member(a);
    await reportFile(anna, 'a file');

    expect(await read(a, 1)).toBe('a file');
    expect(await read(b, 1)).toBe('a file');
    expect(await filesBelow(join(a.home, 'attachments'))).toEqual([]);
    const { link } = await b.ask('dashboard');
    const { origin, hash } = new URL(String(link));
    const answer = await fetch(`${origin}/api/attachments/1/a.log`, {
      headers: { authorization: `Bearer ${hash.replace(/^#token=/, '')}` },
    });
    expect(await answer.text()).toBe('a file');
  });

  test('at the disk of one server are named as its files by the others', async () => {
    const [a, b] = [await network.start('a'), await network.start('b')];
    await reportFile(await member(a), 'a file');

    expect(await read(a, 1)).toBe('a file');
    expect(await read(b, 1)).toContain(a.id.slice(0, 12));
  });

  test('move to the folder that all share with the next start, and back with files = home', async () => {
    const a = await network.start('a');
    const anna = await member(a);
    await reportFile(anna, 'first');
    await a.daemon.close();
    const again = await network.start('a', { files: shared });
    const b = await network.start('b');
    await reportFile(anna.at({ ...anna.server, port: again.daemon.listened.port }), 'second');

    expect([await read(b, 1), await read(b, 2)]).toEqual(['first', 'second']);
    await expect(network.start('c', { files: 'home' })).rejects.toMatchObject({
      code: 'configuration-invalid',
    });
    await again.daemon.close();
    await b.daemon.close();
    const alone = await network.start('a', { files: 'home' });
    expect([await read(alone, 1), await read(alone, 2)]).toEqual(['first', 'second']);
    expect(await filesBelow(join(shared, 'attachments'))).toEqual([]);
  });

  test('are neither taken nor read while the folder is away, and are when it is back', async () => {
    const a = await network.start('a', { files: shared });
    const anna = await member(a);
    await reportFile(anna, 'first');
    const away = `${shared}-away`;
    await rename(shared, away);
    // The place at which it is mounted is there.
    await mkdir(shared);

    await expect(reportFile(anna, 'second')).rejects.toMatchObject({ code: 'home-not-writable' });
    expect(await readdir(shared)).toEqual([]);
    expect(await read(a, 1)).toContain('not mounted');
    expect(await a.ask('status')).toMatchObject({ storeProblem: expect.stringContaining(shared) });
    // A server starts all the same, and serves what needs no files.
    const b = await network.start('b');
    expect(await b.ask('status')).toMatchObject({ storeProblem: expect.stringContaining(shared) });
    await rm(shared, { recursive: true });
    await rename(away, shared);
    await reportFile(anna, 'third');
    expect(await read(b, 1)).toBe('first');
    expect(await a.ask('status')).toMatchObject({ storeProblem: null });
  });

  test('are not taken in a folder that is another one than that of the other servers', async () => {
    const a = await network.start('a', { files: shared });
    const anna = await member(a);
    await writeFile(join(shared, 'filer-files'), 'another\n');

    await expect(reportFile(anna, 'first')).rejects.toMatchObject({ code: 'home-not-writable' });
    await expect(network.start('b', { files: `${shared}-2` })).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.stringContaining(shared),
    });
  });

  test.skipIf(needs.namespaces())('are not taken where the folder is full or cannot be written', async () => {
    const disk = await mkdtemp(join(tmpdir(), 'filer-files-'));
    onTestFinished(async () => {
      await run('umount', ['-l', disk]);
      await rm(disk, { recursive: true });
    });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]);
    const a = await network.start('a', { files: disk, keepFree: 0 });
    const anna = await member(a);
    await expect(reportFile(anna, 'x'.repeat(2_000_000))).rejects.toMatchObject({ code: 'no-space' });
    await run('mount', ['-o', 'remount,ro', disk]);
    await expect(reportFile(anna, 'x')).rejects.toMatchObject({ code: 'home-not-writable' });
    await run('mount', ['-o', 'remount,rw', disk]);
    await reportFile(anna, 'x');

    expect(await read(a, 1)).toBe('x');
  });

  test.skipIf(needs('mkfs.ext4') || needs.namespaces())(
    'are refused while the folder hangs, and the server serves all else',
    async () => {
      await using disk = await ImageDisk.open(16 * 1024 * 1024);
      const a = await network.start('a', { files: disk.path, keepFree: 0 });
      const anna = await member(a);
      await reportFile(anna, 'first');
      // At the end, or by itself if this process hangs with it.
      const thaws = spawn('bash', ['-c', 'read -t 60; fsfreeze -u "$1"', 'bash', disk.path]);
      await run('fsfreeze', ['-f', disk.path]);
      for (const content of ['second', 'third'])
        await expect(reportFile(anna, content)).rejects.toMatchObject({ code: 'home-not-writable' });
      {
        await using session = await anna.connect();
        await session.report(100);
      }
      expect(await a.ask('status')).toMatchObject({ storeProblem: expect.stringContaining(disk.path) });
      const thawed = once(thaws, 'exit');
      thaws.stdin.end('\n');
      await thawed;
      seq = 200;
      await expect
        .poll(() =>
          reportFile(anna, 'last').then(
            () => true,
            () => false,
          ),
        )
        .toBe(true);
    },
  );

  test('that collects bring are in that folder, whichever server received them', async () => {
    const a = await network.start('a', { files: shared });
    const { folder } = await a.ask(
      ...['collect', 'add', 'results', '--from', '@all', '--path', 'results/**', '--every', '1h'],
    );

    expect(folder).toBe(join(shared, 'collected', 'results'));
  });

  test('need a folder that is there, of this network, and a database that servers share', async () => {
    const wrong = { code: 'configuration-invalid' };
    await expect(network.start('a', { files: `${shared}-none` })).rejects.toMatchObject(wrong);
    await expect(network.start('b', { store: 'sqlite', files: shared })).rejects.toMatchObject(wrong);
    await writeFile(join(shared, 'filer-files'), 'another 0123\n');
    await expect(network.start('c', { files: shared })).rejects.toMatchObject(wrong);
  });
});
