import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  cleanMarkedParts,
  cleanParts,
  dropMarkedParts,
  FreeSpace,
  listShared,
  PART_PREFIX,
  SharedFolder,
} from '@filer/transfer';
import { needs } from '../support/needs.ts';
import { codesOf, freshFolder, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

/** Ends the names of parts, before a number. */
const TOKEN = 'a'.repeat(24);

/** An inbox on a file system of its own, of 4 MiB. */
async function smallDisk(ends: TwoEnds): Promise<void> {
  await mkdir(ends.inbox);
  asRoot('mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', ends.inbox);
  onTestFinished(() => asRoot('umount', ends.inbox));
}

function asRoot(program: string, ...args: string[]): void {
  execFileSync(program, args);
}

describe.skipIf(needs.namespaces())('on a disk of 4 MiB', () => {
  test('an offer that cannot fit is refused before its first byte', async () => {
    const ends = await twoEnds();
    await smallDisk(ends);
    await writeFile(join(ends.home, 'large'), randomBytes(5 * MiB));

    const { sent } = await transfer(ends, ['large'], {
      receive: { space: new FreeSpace(ends.inbox, { keepFreeBytes: 0 }) },
    });

    expect(sent).toMatchObject({ ok: false, bytesSent: 0, files: [{ code: 'no-space' }] });
  });

  test('a disk that fills while a file comes in costs that file, leaves no part, and the next one fits', async () => {
    const ends = await twoEnds();
    await smallDisk(ends);
    await writeFile(join(ends.home, 'large'), randomBytes(5 * MiB));
    await writeFile(join(ends.home, 'small'), randomBytes(MiB));

    // Looks at another file system, so that the promise is broken by the disk, as another program would do it.
    const { sent, received } = await transfer(ends, ['large', 'small'], {
      receive: { sync: true, space: new FreeSpace(ends.home) },
    });

    expect(sent.error).toBeUndefined();
    expect(codesOf(sent)).toEqual({ large: 'no-space', small: undefined });
    expect(received).toMatchObject({ filesDelivered: 1, filesFailed: 1 });
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['small']);
  });
});

test.skipIf(needs.namespaces())('a part that cannot be removed does not keep the others', async () => {
  const inbox = await freshFolder();
  const parts = ['1', '2', '3'].map((n) => join(inbox, `${PART_PREFIX}${TOKEN}-${n}`));
  for (const part of parts) await writeFile(part, 'x');
  const [, stuck = ''] = parts;
  asRoot('mount', '--bind', stuck, stuck); // what is mounted on cannot be removed
  onTestFinished(() => asRoot('umount', stuck));

  expect(await cleanParts(inbox, { olderThanMs: 0, now: Date.now() + 1000 })).toBe(2);

  expect(await readdir(inbox)).toEqual([`${PART_PREFIX}${TOKEN}-2`]);
});

test('an inbox in which nothing may be written fails every file and not the process', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'content');
  await writeFile(join(ends.home, 'not a folder'), '');

  const { sent } = await transfer(ends, ['a'], { receive: { inbox: join(ends.home, 'not a folder') } });

  expect(sent).toMatchObject({
    ok: false,
    files: [{ code: expect.stringMatching(/refused|home-not-writable/) }],
  });
});

test('cleaning removes old parts, wherever in the inbox, and nothing else', async () => {
  const inbox = await freshFolder();
  const elsewhere = await freshFolder();
  await mkdir(join(inbox, 'alice', 'sub'), { recursive: true });
  const [old, fresh] = [`${PART_PREFIX}${TOKEN}-2`, `${PART_PREFIX}${TOKEN}-1`];
  for (const folder of [inbox, join(inbox, 'alice'), join(inbox, 'alice', 'sub'), elsewhere]) {
    for (const name of [old, fresh, 'a file']) {
      await writeFile(join(folder, name), 'x');
      if (name !== fresh) await utimes(join(folder, name), 1, 1);
    }
  }
  await mkdir(join(inbox, `${PART_PREFIX}${TOKEN}-3`));
  await symlink(elsewhere, join(inbox, 'link'));
  await symlink(join(elsewhere, old), join(inbox, `${PART_PREFIX}${TOKEN}-4`));

  expect(await cleanParts(inbox)).toBe(3);
  expect((await readdir(elsewhere)).toSorted()).toEqual([fresh, old, 'a file']);
  expect((await readdir(join(inbox, 'alice'))).toSorted()).toEqual([fresh, 'a file', 'sub']);
  expect(await cleanParts(inbox, { olderThanMs: 0, now: Date.now() + 1000 })).toBe(3);
  expect(await cleanParts(join(inbox, 'missing'))).toBe(0);
});

test('a file of the user that is called like a part is never removed', async () => {
  const inbox = await freshFolder();
  const names = [
    '',
    'notes',
    'kept-',
    'kept-notes',
    'lock-of-the-door',
    'collect-',
    'get-notes',
    '1',
    'cafe',
  ].map((rest) => `${PART_PREFIX}${rest}`);
  for (const name of names) {
    await writeFile(join(inbox, name), 'mine');
    await utimes(join(inbox, name), 1, 1);
  }

  expect(await cleanParts(inbox, { olderThanMs: 0, uselessOlderThanMs: 0 })).toBe(0);
  await cleanMarkedParts(inbox, 'get-', Date.now());
  await dropMarkedParts(inbox, () => true);

  expect((await readdir(inbox)).toSorted()).toEqual(names.toSorted());
});

test('a file of the user that is called like a part is listed in a share, and refused by its name when it is sent', async () => {
  const ends = await twoEnds();
  const tree = join(ends.home, 'tree');
  await mkdir(tree);
  const [mine, part] = [`${PART_PREFIX}notes`, `${PART_PREFIX}${TOKEN}-1`];
  for (const name of [mine, part, 'z']) await writeFile(join(tree, name), 'x');

  using shared = SharedFolder.open('docs', tree);
  expect([...listShared(shared, 'docs')].map(({ name }) => name).toSorted()).toEqual([mine, 'z']);

  const { sent } = await transfer(ends, ['tree']);
  expect(codesOf(sent)).toMatchObject({ [`tree/${mine}`]: 'name-refused', 'tree/z': undefined });
  expect(await readdir(join(ends.inbox, 'alice', 'tree'))).toEqual(['z']);
});
