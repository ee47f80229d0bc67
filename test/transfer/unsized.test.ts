import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readdir, symlink, writeFile } from 'node:fs/promises';
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

test.skipIf(!isLinux)(
  'a file that says it is empty and is not fails alone, and the others arrive',
  async () => {
    const ends = await twoEnds();
    await symlink('/proc/version', join(ends.home, 'version'));
    await symlink('/proc/self/mem', join(ends.home, 'memory')); // nothing is at address 0
    await writeFile(join(ends.home, 'empty'), '');

    const names = ['version', 'memory', 'empty'];
    for (const checksum of [false, true]) {
      const { sent } = await transfer(ends, names, { send: { known: new KnownDigests(), checksum } });
      expect(codesOf(sent)).toEqual({
        version: 'path-unsupported',
        memory: 'path-unreadable',
        empty: undefined,
      });
    }
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['empty']);
  },
);

test.skipIf(!isLinux)('in a folder, and in a share, it fails alone as well', async () => {
  const ends = await twoEnds();
  const folder = '/proc/sys/kernel/random';
  using shared = SharedFolder.open('random', folder);
  for (const source of [
    { file: folder, name: 'tree' },
    { file: 'random', name: 'tree', shared },
  ]) {
    const { sent } = await transfer(ends, [], { send: { files: [source] } });
    expect(codesOf(sent)['tree/boot_id']).toBe('path-unsupported');
  }
  expect(await readdir(join(ends.inbox, 'alice', 'tree'))).toEqual([]);
});

test.skipIf(!isLinux || shorterThanItSays() === undefined)(
  'a file that holds less than it says fails alone, for each recipient',
  async () => {
    const ends = await twoEnds();
    const reads = new SharedReads();
    for (let recipients = 0; recipients < 2; recipients++) {
      const files = [{ file: shorterThanItSays() ?? '', name: 'short' }];
      const { sent } = await transfer(ends, [], { send: { reads, files } });
      expect(codesOf(sent)).toEqual({ short: 'path-unsupported' });
    }
  },
);

test.skipIf(!isLinux)('the digest of a file is not taken for what its size says of it', async () => {
  expect(await readDigests('/proc/version', 0, undefined)).toBeUndefined();
});
