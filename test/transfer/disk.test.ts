import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cleanParts, FreeSpace, PART_PREFIX } from '@filer/transfer';
import { needs } from '../support/needs.ts';
import { codesOf, freshFolder, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

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
  const parts = ['1', '2', '3'].map((n) => join(inbox, `${PART_PREFIX}${n}`));
  for (const part of parts) await writeFile(part, 'x');
  const [, stuck = ''] = parts;
  asRoot('mount', '--bind', stuck, stuck); // what is mounted on cannot be removed
  onTestFinished(() => asRoot('umount', stuck));

  expect(await cleanParts(inbox, { olderThanMs: 0, now: Date.now() + 1000 })).toBe(2);

  expect(await readdir(inbox)).toEqual([`${PART_PREFIX}2`]);
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
  const [old, fresh] = [`${PART_PREFIX}old`, `${PART_PREFIX}fresh`];
  for (const folder of [inbox, join(inbox, 'alice'), join(inbox, 'alice', 'sub'), elsewhere]) {
    for (const name of [old, fresh, 'a file']) {
      await writeFile(join(folder, name), 'x');
      if (name !== fresh) await utimes(join(folder, name), 1, 1);
    }
  }
  await mkdir(join(inbox, `${PART_PREFIX}folder`));
  await symlink(elsewhere, join(inbox, 'link'));
  await symlink(join(elsewhere, old), join(inbox, `${PART_PREFIX}link`));

  expect(await cleanParts(inbox)).toBe(3);
  expect((await readdir(elsewhere)).toSorted()).toEqual([fresh, old, 'a file']);
  expect((await readdir(join(inbox, 'alice'))).toSorted()).toEqual([fresh, 'a file', 'sub']);
  expect(await cleanParts(inbox, { olderThanMs: 0, now: Date.now() + 1000 })).toBe(3);
  expect(await cleanParts(join(inbox, 'missing'))).toBe(0);
});
