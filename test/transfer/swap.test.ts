import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canExchange, Folder, inodeAt, swap } from '@filer/transfer';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'filer-'));
  for (const [side, text] of [
    ['now', 'old'],
    ['stage', 'new'],
  ] as const) {
    await mkdir(join(root, side, 'top'), { recursive: true });
    await writeFile(join(root, side, 'top', 'file'), text);
  }
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

async function swapTop(): Promise<void> {
  using folder = Folder.openOwn(join(root, 'now'));
  using hidden = Folder.openOwn(join(root, 'stage'));
  const [wanted, before] = [inodeAt(hidden.at('top')), inodeAt(folder.at('top'))];
  await swap({ folder, hidden, name: 'top' }, { wanted, before });
}

test('a machine that can exchange is found out without a trace', async () => {
  using folder = Folder.openOwn(root);
  expect(await canExchange(folder)).toBe(true);
  expect((await readdir(root)).toSorted()).toEqual(['now', 'stage']);
});

test('where no program can exchange two names nothing is moved, and that is said', async () => {
  vi.stubEnv('PATH', '/nowhere');
  using folder = Folder.openOwn(root);
  expect(await canExchange(folder)).toBe(false);
  const before = [inodeAt(join(root, 'now/top')), inodeAt(join(root, 'stage/top'))];

  await expect(swapTop()).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('"top"'),
  });

  expect([inodeAt(join(root, 'now/top')), inodeAt(join(root, 'stage/top'))]).toEqual(before);
  expect((await readdir(root)).toSorted()).toEqual(['now', 'stage']);
});
