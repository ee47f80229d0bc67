import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const TALLY = join(import.meta.dirname, '../../scripts/tally.mjs');

type Outcomes = Readonly<Record<string, string>>;

/** A report of files and the status of their tests; a file without tests could not be loaded. */
function report(files: Readonly<Record<string, Outcomes>>, unhandledErrors?: readonly string[]): object {
  const testResults = Object.entries(files).map(([name, tests]) => {
    const statuses = Object.values(tests);
    const failed = statuses.length === 0 || statuses.includes('failed');
    return {
      name: join(process.cwd(), name),
      status: failed ? 'failed' : 'passed',
      message: statuses.length === 0 ? 'cannot be loaded' : '',
      assertionResults: Object.entries(tests).map(([fullName, status]) => ({ fullName, status })),
    };
  });
  return { testResults, unhandledErrors };
}

/** What the tally of a run says, and which of its files would run again. */
async function tally(
  first: object,
  again?: object,
): Promise<{ code: number | null; lines: string[]; files: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'filer-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'run.json');
  await writeFile(path, JSON.stringify(first));
  if (again !== undefined) await writeFile(join(folder, 'run-again.json'), JSON.stringify(again));
  const run = (...args: string[]) => spawnSync(process.execPath, [TALLY, ...args], { encoding: 'utf8' });
  const counted = run(path, ...(again === undefined ? [] : [join(folder, 'run-again.json')]));
  const repeated = run('--again', path);
  const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');
  return { code: counted.status, lines: linesOf(counted.stdout), files: linesOf(repeated.stdout) };
}

const PASSED = { 'a.test.ts': { one: 'passed', two: 'passed' } };
const FAILED = { ...PASSED, 'b.test.ts': { three: 'passed', four: 'failed' } };

test('a run without failures has nothing to repeat', async () => {
  const { code, lines, files } = await tally(report(PASSED));
  expect({ code, files, last: lines.at(-1) }).toEqual({ code: 0, files: [], last: '2 passed, 0 failed' });
});

test('a test that passes only the second time is named as unsteady', async () => {
  const { code, lines, files } = await tally(
    report(FAILED),
    report({ 'b.test.ts': { three: 'passed', four: 'passed' } }),
  );
  expect({ code, files }).toEqual({ code: 0, files: ['b.test.ts'] });
  expect(lines).toEqual([
    'unsteady: b.test.ts > four',
    'run: 4 passed, 0 skipped',
    '4 passed, 0 failed, 1 unsteady',
  ]);
});

test.each([
  ['the same test', { three: 'passed', four: 'failed' }, '3 passed, 1 failed'],
  ['another test of the file', { three: 'failed', four: 'passed' }, '3 passed, 1 failed, 1 unsteady'],
  ['the whole file', {}, '2 passed, 1 failed'],
])('a run fails when %s fails the second time', async (_, second, last) => {
  const { code, lines } = await tally(report(FAILED), report({ 'b.test.ts': second }));
  expect({ code, last: lines.at(-1) }).toEqual({ code: 1, last });
});

test('a file that could not be loaded is repeated, and all its tests are unsteady', async () => {
  const { code, lines, files } = await tally(
    report({ ...PASSED, 'b.test.ts': {} }),
    report({ 'b.test.ts': { x: 'passed' } }),
  );
  expect({ code, files }).toEqual({ code: 0, files: ['b.test.ts'] });
  expect(lines[0]).toBe('unsteady: b.test.ts > x');
});

test.each([
  [
    'more than three files failed',
    report(Object.fromEntries('abcd'.split('').map((file) => [file, { x: 'failed' }]))),
  ],
  ['an error came outside of the tests', report(FAILED, ['Error: too late'])],
])('nothing is repeated, and the run fails, when %s', async (_, first) => {
  const { code, files } = await tally(first);
  expect({ code, files }).toEqual({ code: 1, files: [] });
});

test.each([
  [
    'a skipped test',
    report({ 'a.test.ts': { one: 'passed', two: 'skipped' } }),
    '1 passed, 0 failed, 1 skipped',
  ],
  ['an error outside of the tests', report(PASSED, ['Error: too late']), '2 passed, 1 failed'],
  ['a run without tests', report({}), '0 passed, 0 failed'],
])('%s fails a run', async (_, first, last) => {
  const { code, lines } = await tally(first);
  expect({ code, last: lines.at(-1) }).toEqual({ code: 1, last });
});
