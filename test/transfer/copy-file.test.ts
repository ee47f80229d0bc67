import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyUpTo } from '@filer/transfer';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-copy-'));
  onTestFinished(() => rm(folder, { recursive: true }));
});

test.each([0, 1, 256 * 1024, 1_000_003])(
  'a file of %i bytes is copied whole, with its mode',
  async (size) => {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    const content = Buffer.alloc(size, 'filer');
    await writeFile(from, content, { mode: 0o440 });

    expect(await copyUpTo(from, to, size)).toBe(size);
    expect((await readFile(to)).equals(content)).toBe(true);
    expect((await stat(to)).mode & 0o777).toBe(0o440);
  },
);

test('a file that was cut ends its copy, and one that has grown does not make it longer than by a byte', async () => {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  await writeFile(from, Buffer.alloc(600_000, 'x'));
  await truncate(from, 500_000);

  expect(await copyUpTo(from, to, 600_000)).toBe(500_000);
  expect(await copyUpTo(from, to, 400_000)).not.toBe(400_000);
});

test.skipIf(process.platform !== 'linux')(
  'a file of the kernel that ends before its size ends its copy',
  async () => {
    const from = '/sys/kernel/uevent_seqnum';
    const { size } = await stat(from);

    expect(await copyUpTo(from, join(folder, 'to'), size)).toBeLessThan(size);
  },
);
