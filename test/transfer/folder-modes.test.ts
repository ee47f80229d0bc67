import { chmod, chown, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Folder } from '../../packages/transfer/src/disk/folder.ts';

/** A user whom permissions bind, when the tests run as root. */
const ORDINARY_USER = 12_345;

/** A folder of an ordinary user, with one in it that has these permissions. */
async function folderWith(mode: number): Promise<{ root: Folder; inner: string }> {
  const base = await mkdtemp(join(tmpdir(), 'filer-modes-'));
  const inner = join(base, 'inner');
  await mkdir(inner);
  await chmod(inner, mode);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) {
    for (const each of [inner, base]) await chown(each, ORDINARY_USER, 0);
    process.seteuid?.(ORDINARY_USER);
  }
  const root = Folder.openOwn(base);
  onTestFinished(async () => {
    root[Symbol.dispose]();
    if (isRoot) process.seteuid?.(0);
    await rm(base, { recursive: true });
  });
  return { root, inner };
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o777;
}

test('a folder that may not be read is not opened to look into it, and keeps its permissions', async () => {
  const { root, inner } = await folderWith(0o000);
  expect(() => root.enter('inner')).toThrow(expect.objectContaining({ code: 'home-not-writable' }));
  expect(await modeOf(inner)).toBe(0o000);
});

test('a folder that may not be read is opened to put something into it, and loses no permission of others', async () => {
  const { root, inner } = await folderWith(0o050);
  root.open('inner')[Symbol.dispose]();
  expect(await modeOf(inner)).toBe(0o750);
});
