import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { chmod, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KnownDigests, SharedReads, type SendEvent } from '@filer/transfer';
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

test.each([false, true])(
  'a log that grows all the time goes as of a moment, where that is wanted (small: %s)',
  async (isSmall) => {
    const ends = await twoEnds();
    const file = join(ends.home, 'log');
    const content = randomBytes(isSmall ? 1_000 : BYTES);
    await writeFile(file, content);
    await writeFile(join(ends.home, 'other'), 'content');
    const reads = new SharedReads();
    const known = new KnownDigests();
    const grow = ({ type }: SendEvent): void => {
      if (type === 'started' || type === 'progress') appendFileSync(file, randomBytes(10));
    };
    // Longer for each recipient, and for each as it was found.
    for (const folder of ['bob', 'carol']) {
      const { size } = statSync(file);
      const { sent } = await transfer(ends, ['log', 'other'], {
        send: { on: grow, snapshot: true, reads, known },
        receive: { folder },
      });
      expect(sent).toMatchObject({ ok: true, filesDelivered: 2 });
      const arrived = await readFile(join(ends.inbox, folder, 'log'));
      expect(arrived.equals(readFileSync(file).subarray(0, size))).toBe(true);
    }
  },
);

test('of a log as of a moment only what is new goes again', async () => {
  const ends = await twoEnds();
  const file = join(ends.home, 'log');
  await writeFile(file, randomBytes(4 * MiB));
  const grow = ({ type }: SendEvent): void => {
    if (type === 'progress') appendFileSync(file, randomBytes(10));
  };
  const again = { send: { on: grow, snapshot: true, onConflict: 'overwrite' } } as const;
  await transfer(ends, ['log'], again);
  const { size } = statSync(file);
  const { sent } = await transfer(ends, ['log'], again);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(sent.bytesSent).toBeLessThan(2 * MiB);
  const arrived = await readFile(join(ends.inbox, 'alice', 'log (1)'));
  expect(arrived.equals(readFileSync(file).subarray(0, size))).toBe(true);
});

test('a log that becomes shorter meanwhile goes again, as it is then', async () => {
  const ends = await twoEnds();
  const file = join(ends.home, 'log');
  await writeFile(file, randomBytes(BYTES));
  const shrink = ({ type }: SendEvent): void => {
    if (type === 'progress') truncateSync(file, BYTES / 2);
  };
  const { sent } = await transfer(ends, ['log'], { send: { on: shrink, snapshot: true } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  const arrived = await readFile(join(ends.inbox, 'alice', 'log'));
  expect(arrived.equals(readFileSync(file))).toBe(true);
});
