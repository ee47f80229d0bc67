import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acquireLock, resolveHome } from '@filer/program';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CommandHere, askHere, runHere } from '../support/in-process.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-stop-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('stop ends a server and a client in order, and waits until their homes are free', async () => {
  const [server, client] = [join(folder, 'server'), join(folder, 'client')];
  await using serving = new CommandHere('ip-server', server, ['start', '--host', '127.0.0.1', '--port', '0']);
  await serving.shows(({ type }) => type === 'ready');
  const [invite] = await askHere('ip-server', server, ['invite']);
  await askHere('filer-client', client, ['join', '-', '--name', 'anna'], String(invite?.['link']));
  await using running = new CommandHere('filer-client', client, ['start', '--listen', '127.0.0.1:0']);
  await running.shows(({ type }) => type === 'ready');

  for (const [program, home] of [
    ['filer-client', client],
    ['ip-server', server],
  ] as const) {
    expect(await askHere(program, home, ['stop'])).toEqual([
      { stopped: true, pid: process.pid, service: false },
    ]);
    await (
      await acquireLock(resolveHome(program, { FILER_HOME: home, IP_SERVER_HOME: home }).lockFile)
    ).release();
    expect(await askHere(program, home, ['stop'])).toEqual([{ stopped: false, pid: null, service: false }]);
  }
});

test.each(['filer-client', 'ip-server'] as const)(
  'stop of %s where none ever ran makes no home',
  async (program) => {
    const home = join(folder, 'none');

    expect(await runHere(program, home, ['stop'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('not running'),
    });
    await expect(rm(home)).rejects.toThrow('ENOENT');
  },
);
