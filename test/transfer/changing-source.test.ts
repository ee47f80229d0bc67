import { randomBytes } from 'node:crypto';
import { appendFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { chmod, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SendEvent } from '@filer/transfer';
import { codesOf, transfer, twoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;
const BYTES = 3 * MiB;

const CHANGES: [string, (file: string) => void][] = [
  ['shrinks', (file) => truncateSync(file, BYTES / 2)],
  ['grows', (file) => appendFileSync(file, randomBytes(1000))],
  ['is written to in place', (file) => writeFileSync(file, randomBytes(BYTES))],
  [
    'is replaced',
    (file) => {
      writeFileSync(`${file}.new`, randomBytes(BYTES));
      renameSync(`${file}.new`, file);
    },
  ],
];

describe.each(CHANGES)('a source that %s while it is sent', (_, change) => {
  test('once is sent again, and arrives as it is now', async () => {
    const ends = await twoEnds();
    const file = join(ends.home, 'a');
    await writeFile(file, randomBytes(BYTES));
    let changed = false;
    const on = (event: SendEvent): void => {
      if (event.type !== 'progress' || changed) return;
      changed = true;
      change(file);
    };

    const { sent, received } = await transfer(ends, ['a'], { send: { on } });

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    expect(received).toMatchObject({ ok: true, filesDelivered: 1, bytesReceived: sent.bytesSent });
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['a']);
    expect((await readFile(file)).equals(await readFile(join(ends.inbox, 'alice', 'a')))).toBe(true);
  });

  test('each time is reported as source-changed, and the others arrive', async () => {
    const ends = await twoEnds();
    const file = join(ends.home, 'a');
    await writeFile(file, randomBytes(BYTES));
    await writeFile(join(ends.home, 'b'), 'content');
    const on = (event: SendEvent): void => {
      if (event.type !== 'progress' || event.name !== 'a' || event.fileBytes > MiB) return;
      writeFileSync(file, randomBytes(BYTES));
      change(file);
    };
    const { sent, received } = await transfer(ends, ['a', 'b'], { send: { on } });

    expect(codesOf(sent)).toEqual({ a: 'source-changed', b: undefined });
    expect(sent.error).toBeUndefined();
    expect(received).toMatchObject({ filesDelivered: 1, filesFailed: 1 });
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['b']);
  });
});

test('of a large file that changed while it was sent only the blocks go again that changed', async () => {
  const ends = await twoEnds();
  const file = join(ends.home, 'a');
  const content = randomBytes(20 * MiB + 5);
  await writeFile(file, content);
  let changed = false;
  const on = (event: SendEvent): void => {
    if (event.type !== 'progress' || changed || event.fileBytes < 10 * MiB) return;
    changed = true;
    for (const at of [MiB + 7, 19 * MiB]) content[at] = (content[at] ?? 0) ^ 1;
    writeFileSync(file, content);
  };

  const { sent, received } = await transfer(ends, ['a'], { send: { on } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(sent.bytesSent).toBeLessThanOrEqual(content.length + 2 * MiB);
  expect(received.bytesReceived).toBe(sent.bytesSent);
  expect(content.equals(await readFile(join(ends.inbox, 'alice', 'a')))).toBe(true);
  expect(await readdir(ends.inbox)).toEqual(['alice']);
});

test('a source that is removed while it is sent arrives whole', async () => {
  const ends = await twoEnds();
  const content = randomBytes(BYTES);
  await writeFile(join(ends.home, 'a'), content);
  let removed = false;
  const on = (event: SendEvent): void => {
    if (event.type !== 'progress' || removed) return;
    removed = true;
    unlinkSync(join(ends.home, 'a'));
  };

  const { sent } = await transfer(ends, ['a'], { send: { on } });

  expect(sent.ok).toBe(true);
  expect(content.equals(await readFile(join(ends.inbox, 'alice', 'a')))).toBe(true);
});

test('a source that is gone before its turn fails alone', async () => {
  const ends = await twoEnds();
  for (const name of ['a', 'b', 'c']) await writeFile(join(ends.home, name), name);
  const on = (event: SendEvent): void => {
    if (event.type === 'started' && event.name === 'a') unlinkSync(join(ends.home, 'b'));
  };

  const { sent, received } = await transfer(ends, ['a', 'b', 'c'], { send: { on } });

  expect(sent).toMatchObject({ filesDelivered: 2, filesFailed: 1 });
  expect(sent.files.find(({ name }) => name === 'b')?.code).toBe('path-missing');
  expect(received).toMatchObject({ filesDelivered: 2, filesFailed: 1 });
});

test('what is missing, a device, or unreadable fails alone and is not offered', async () => {
  const ends = await twoEnds();
  await symlink('/dev/null', join(ends.home, 'device'));
  await writeFile(join(ends.home, 'secret'), 'x');
  await chmod(join(ends.home, 'secret'), 0o000);
  await writeFile(join(ends.home, 'good'), 'x');

  const { sent, received } = await transfer(ends, ['missing', 'device', 'secret', 'good']);

  const secret = process.getuid?.() === 0 ? undefined : 'path-unreadable'; // root may read everything
  expect(codesOf(sent)).toEqual({
    missing: 'path-missing',
    device: 'path-unsupported',
    secret,
    good: undefined,
  });
  expect(received.filesFailed).toBe(0);
});
