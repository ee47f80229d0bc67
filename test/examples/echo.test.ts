import { access, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run, start } from './example.ts';

test.each(['tcp', 'udp'])('lines come back over %s, and Ctrl-C ends the server in order', async (kind) => {
  const server = start(`echo-${kind}-server`);
  const port = await server.port();
  expect(await run('one\ntwo\n', `echo-${kind}-client`, port)).toBe('one\ntwo\n');
  expect(await run('three\n', `echo-${kind}-client`, port)).toBe('three\n');
  expect(await server.interrupt()).toBe(0);
  expect(server.stderr).toBe('');
});

test('lines come back over a Unix socket, whose file is gone in the end', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'filer-')), 'echo.sock');
  const server = start('echo-unix-server', path);
  await server.said(/^listening on .*echo\.sock$/m);
  expect(await run('one\ntwo', 'echo-unix-client', path)).toBe('one\ntwo\n');
  expect(await server.interrupt()).toBe(0);
  expect(server.stderr).toBe('');
  await expect(access(path)).rejects.toThrow('ENOENT');
});
