import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ignoreRules } from '../../../apps/filer-client/src/jobs/ignore-rules.ts';

/** A folder with these `.filerignore` files, by the folder they lie in. */
async function folderWith(rules: Record<string, string>): Promise<string> {
  const top = await mkdtemp(join(tmpdir(), 'filer-ignore-'));
  onTestFinished(() => rm(top, { recursive: true, force: true }));
  for (const [folder, text] of Object.entries(rules)) {
    await mkdir(join(top, folder), { recursive: true });
    await writeFile(join(top, folder, '.filerignore'), text);
  }
  return top;
}

test('patterns that were typed mean what they mean in a .gitignore of the folder', async () => {
  const top = await folderWith({});
  const ignored = ignoreRules(['node_modules', '*.log', '/build/', '!keep.log']);

  expect(ignored(top, 'node_modules', true)).toBe(true);
  expect(ignored(top, 'a/node_modules', true)).toBe(true);
  expect(ignored(top, 'a/b.log', false)).toBe(true);
  expect(ignored(top, 'a/keep.log', false)).toBe(false);
  expect(ignored(top, 'build', true)).toBe(true);
  expect(ignored(top, 'build', false)).toBe(false);
  expect(ignored(top, 'a/build', true)).toBe(false);
  expect(ignored(top, '..x', false)).toBe(false);
});

test('a .filerignore counts for what is below it, a deeper one overrules it, and what was typed both', async () => {
  const top = await folderWith({ '.': '*.tmp\n', sub: '!a.tmp\n/only-here\n' });
  const ignored = ignoreRules(['b.txt']);

  expect(ignored(top, 'a.tmp', false)).toBe(true);
  expect(ignored(top, 'sub/a.tmp', false)).toBe(false);
  expect(ignored(top, 'sub/c.tmp', false)).toBe(true);
  expect(ignored(top, 'sub/only-here', false)).toBe(true);
  expect(ignored(top, 'only-here', false)).toBe(false);
  expect(ignored(top, 'sub/b.txt', false)).toBe(true);
});
