import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { proveRoot, provesRemovals } from '../../../apps/filer-client/src/send/watched-root.ts';

let base: string;
let folder: string;
const roots = new Map<number, string>();
const watches = {
  root: (watch: number) => roots.get(watch),
  setRoot: (watch: number, root: string) => void roots.set(watch, root),
};
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'filer-root-'));
  folder = join(base, 'w');
  await mkdir(folder);
  roots.clear();
});
afterEach(() => rm(base, { recursive: true }));

test('a removal counts in the first folder that was found with something in it, also once that is empty', async () => {
  expect(provesRemovals(watches, 1, folder)).toBe(false);
  expect(roots.size).toBe(0);
  await writeFile(join(folder, 'a'), '');
  expect(provesRemovals(watches, 1, folder)).toBe(true);
  await rm(join(folder, 'a'));
  expect(provesRemovals(watches, 1, folder)).toBe(true);
});

test.each([[[]], [['stray']]])(
  'another folder with %j in it proves nothing, and changes nothing',
  async (names) => {
    await writeFile(join(folder, 'a'), '');
    proveRoot(watches, 1, folder);
    await rename(folder, join(base, 'disk'));
    expect(proveRoot(watches, 1, folder)).toBe('unsure');
    await mkdir(folder);
    for (const name of names) await writeFile(join(folder, name), '');

    expect(proveRoot(watches, 1, folder)).toBe('other');
    expect(proveRoot(watches, 1, folder)).toBe('other');

    await rename(folder, join(base, 'other'));
    await rename(join(base, 'disk'), folder);
    expect(proveRoot(watches, 1, folder)).toBe('same');
  },
);

test.runIf(process.platform === 'linux')(
  'a folder without a time of creation is not told from another one',
  () => {
    expect(proveRoot(watches, 1, '/proc')).toBe('nameless');
    roots.set(1, '1:0');
    expect(provesRemovals(watches, 1, '/proc')).toBe(false);
    expect(provesRemovals(watches, 1, '/sys')).toBe(false);
  },
);
