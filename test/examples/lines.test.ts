import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run, start } from './example.ts';

test('a text file is taken line by line and the whole is timed on both sides', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'filer-')), 'text');
  const text = Array.from({ length: 50_000 }, (_, index) => `line ${index}`).join('\r\n');
  await writeFile(file, text);
  const server = start('line-server');
  const told = await run('', 'line-client', file, await server.port());
  expect(told).toMatch(/^the server: 50000 lines, the longest of 10 characters, in \d+\.\d ms\n/);
  expect(told).toMatch(new RegExp(`\n${text.length} bytes sent and counted in \\d+\\.\\d ms\n$`));
  expect(await server.interrupt()).toBe(0);
  expect(server.stderr).toBe('');
});
