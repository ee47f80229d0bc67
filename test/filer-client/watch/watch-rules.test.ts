import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { settleMsOf, WatchRules } from '../../../apps/filer-client/src/watch/watch-rules.ts';

/** As the engine calls what is on its way in. */
const PART = `.filer-part-${'0'.repeat(24)}-1`;

async function rulesIn(exclude: readonly string[] = []): Promise<{ folder: string; rules: WatchRules }> {
  const folder = await mkdtemp(join(tmpdir(), 'filer-rules-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return { folder, rules: new WatchRules(folder, exclude) };
}

test('names of what is being written stay here, and names that only look like them go', async () => {
  const { rules } = await rulesIn();
  const stay = [
    'a.part',
    'a.crdownload',
    'a.tmp',
    'a~',
    '.a.swp',
    '#a#',
    '~$a.docx',
    '.~lock.a.odt#',
    '.nfs0001',
    '.goutputstream-1',
    PART,
  ];
  const go = [
    'a.party',
    'tmp',
    'a.swp',
    '#a',
    '$a',
    'part',
    '.bashrc',
    '.git',
    '.a.filer-sent',
    '.filer-part-notes',
    'a.filer-sent.txt',
  ];

  expect([...stay, ...go].filter((path) => rules.ignores(`sub/${path}`, false))).toEqual(stay);
});

test('what was typed counts more than temporary names, and nothing counts more than the names of filer itself', async () => {
  const { rules } = await rulesIn(['!*.tmp', '!.filer-part-*', 'out/']);

  expect(rules.hides('a.tmp', false)).toBe(false);
  expect(rules.hides(PART, false)).toBe(true);
  expect(rules.hides('out', true)).toBe(true);
  expect(rules.hides('out/deep/a.txt', false)).toBe(true);
});

test('a rules file that changed counts from the next look on', async () => {
  const { folder, rules } = await rulesIn();
  await mkdir(join(folder, 'sub'));
  expect(rules.hides('sub/a', false)).toBe(false);
  await writeFile(join(folder, 'sub', '.filerignore'), 'a\n');
  rules.refresh();
  expect(rules.hides('sub/a', false)).toBe(true);
  expect(rules.hides('a', false)).toBe(false);
});

test('a name as rsync writes it rests for a minute at least', () => {
  expect(settleMsOf('sub/.movie.mp4.x8Jk2P', 2_000)).toBe(60_000);
  expect(settleMsOf('sub/.movie.mp4.x8Jk2P', 120_000)).toBe(120_000);
  expect(settleMsOf('sub/movie.mp4', 2_000)).toBe(2_000);
  expect(settleMsOf('.profile', 2_000)).toBe(2_000);
});
