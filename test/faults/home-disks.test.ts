import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createSecretFile } from '../../packages/protocol/src/trust/secret-file.ts';
import { acquireLock, openHome, resolveHome } from '@filer/program';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';
import { newSpoolFile } from '../../apps/filer-client/src/send/spool-folder.ts';
import { SchedulesFile } from '../../apps/filer-client/src/store/schedules-file.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { needs } from '../support/needs.ts';
import { runProgram } from '../support/programs.ts';

const run = promisify(execFile);

describe.skipIf(needs.namespaces())('a home on a disk', () => {
  let disk: string;

  beforeAll(async () => {
    disk = await mkdtemp(join(tmpdir(), 'filer-disk-'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
  });
  afterEach(async () => {
    await run('mount', ['-o', 'remount,rw', disk]);
    for (const name of ['ballast', 'home']) await rm(join(disk, name), { recursive: true, force: true });
  });
  afterAll(async () => {
    await run('umount', [disk]);
    await rm(disk, { recursive: true });
  });

  async function fill(): Promise<void> {
    await mkdir(join(disk, 'home'));
    await expect(writeFile(join(disk, 'ballast'), Buffer.alloc(1024 * 1024))).rejects.toThrow('ENOSPC');
  }

  async function makeReadOnly(): Promise<void> {
    await mkdir(join(disk, 'home'));
    await run('mount', ['-o', 'remount,ro', disk]);
  }

  const at = (name: string): string => join(disk, 'home', name);
  const writers: [string, () => unknown][] = [
    ['the lock', () => acquireLock(at('daemon.lock'))],
    ['the database of a client', () => openDatabase(at('filer.db'))],
    ['the database of a server', () => openStore(at('ip-server.db'))],
    ['a key', () => createSecretFile(at('key.pem'), 'secret')],
  ];

  test.each(writers)('that is full is said of %s, with exit 11', async (_, write) => {
    await fill();

    await expect((async () => write())()).rejects.toMatchObject({
      code: 'no-space',
      exitCode: 11,
      message: expect.stringMatching(/home\/.*ENOSPC.*full/),
    });
  });

  test.each([
    ...writers,
    ['the home', () => openHome(resolveHome('ip-server', { IP_SERVER_HOME: at('') }))] as const,
    ['standard input', () => newSpoolFile(at('outgoing'))] as const,
    [
      'schedules',
      () => new SchedulesFile(at('schedules.toml')).edit({ transaction: (work) => work() }, () => 'x'),
    ] as const,
  ])('that is mounted read-only is said of %s', async (_, write) => {
    await makeReadOnly();

    await expect((async () => write())()).rejects.toMatchObject({
      code: 'home-not-writable',
      message: expect.stringMatching(/home.*EROFS.*read-only/),
    });
  });

  test('that is full ends `start` of both programs with exit 11', async () => {
    await fill();
    const server = await runProgram('ip-server', ['start', '--port', '0'], at(''));
    const client = await runProgram('filer-client', ['start'], at(''));

    expect([server.code, client.code]).toEqual([11, 11]);
    for (const { stderr } of [server, client])
      expect(stderr).toMatch(/^(ip-server|filer-client): .*ENOSPC.*\n$/);
  });
});
