import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { KnownDigests, readDigests, SharedFolder, SharedReads } from '@filer/transfer';
import { codesOf, transfer, twoEnds } from './two-ends.ts';

const isLinux = process.platform === 'linux';

/** A file of the kernel that states a size and holds less. */
function shorterThanItSays(): string | undefined {
  const folder = '/sys/kernel/mm/transparent_hugepage';
  const others = ['/sys/kernel/uevent_seqnum', '/sys/power/state', '/sys/class/net/lo/mtu'];
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  return [...others, ...files].find((file) => {
    try {
      accessSync(file, constants.R_OK);
      const { size } = statSync(file);
      return size > 0 && readFileSync(file).length < size;
    } catch {
      return false;
    }
  });
}

test.skipIf(!isLinux)('a file that says it is empty arrives as it reads', async () => {
  const ends = await twoEnds();
  await symlink('/proc/version', join(ends.home, 'version'));
  await symlink('/proc/cpuinfo', join(ends.home, 'cpuinfo'));
  await writeFile(join(ends.home, 'empty'), '');

  const names = ['version', 'cpuinfo', 'empty'];
  const known = new KnownDigests();
  for (const checksum of [false, true]) {
    const { sent } = await transfer(ends, names, { send: { known, checksum, onConflict: 'overwrite' } });
    expect(sent).toMatchObject({ ok: true });
  }

  const arrived = (name: string): Promise<Buffer> => readFile(join(ends.inbox, 'alice', name));
  expect(await arrived('version')).toEqual(readFileSync('/proc/version'));
  expect((await arrived('cpuinfo')).length).toBeGreaterThan(0);
  expect((await arrived('empty')).length).toBe(0);
});

test.skipIf(!isLinux)('in a folder, and for several recipients, it arrives as it reads as well', async () => {
  const ends = await twoEnds();
  const folder = '/proc/sys/kernel/random';
  const reads = new SharedReads();
  for (const receive of [{ folder: 'one' }, { folder: 'two' }]) {
    const { sent } = await transfer(ends, [], {
      send: { reads, files: [{ file: folder, name: 'random' }] },
      receive,
    });
    const failed = sent.files.filter(({ status }) => status === 'failed').map(({ name }) => name);
    expect(failed.filter((name) => name.endsWith('boot_id'))).toEqual([]);
    const arrived = join(ends.inbox, receive.folder, 'random', 'boot_id');
    expect(await readFile(arrived, 'utf8')).toBe(readFileSync(join(folder, 'boot_id'), 'utf8'));
  }
});

test.skipIf(!isLinux)('what is fetched from a share arrives as it reads', async () => {
  const ends = await twoEnds();
  using shared = SharedFolder.open('random', '/proc/sys/kernel/random');
  const files = [{ file: 'random/boot_id', name: 'boot_id', shared }];

  const { sent } = await transfer(ends, [], { send: { files } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  const arrived = await readFile(join(ends.inbox, 'alice', 'boot_id'));
  expect(arrived).toEqual(readFileSync('/proc/sys/kernel/random/boot_id'));
});

test.skipIf(!isLinux || shorterThanItSays() === undefined)(
  'a file that holds less than it says arrives as it reads',
  async () => {
    const ends = await twoEnds();
    const file = shorterThanItSays() ?? '';

    const { sent } = await transfer(ends, [], { send: { files: [{ file, name: 'short' }] } });

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    expect(await readFile(join(ends.inbox, 'alice', 'short'))).toEqual(readFileSync(file));
  },
);

test.skipIf(!isLinux)('one without an end fails alone, and the others arrive', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'good'), 'content');
  await symlink('/proc/self/mem', join(ends.home, 'memory')); // nothing lies at address 0
  await symlink('/proc/self/pagemap', join(ends.home, 'endless'));

  const { sent } = await transfer(ends, ['memory', 'endless', 'good']);

  expect(codesOf(sent)).toEqual({
    memory: 'path-unreadable',
    endless: 'path-unsupported',
    good: undefined,
  });
});

test.skipIf(!isLinux)('the digest of a file is not taken for what its size says of it', async () => {
  expect(await readDigests('/proc/version', 0, undefined)).toBeUndefined();
});
