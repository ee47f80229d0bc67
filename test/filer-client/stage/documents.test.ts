import type { StageHook } from '@filer/protocol';
import { expect, test } from 'vitest';
import { rolloutInWords, stepRows } from '../../../apps/filer-client/src/cli/files/release-history.ts';
import { stageDocument } from '../../../apps/filer-client/src/jobs/stage-documents.ts';

const RUNNING: StageHook = { state: 'running', exitCode: null, line: 'begun' };

test('a program of a step that another one followed is not said to run', () => {
  const steps = [
    { word: { state: 'staged', time: 1, removed: 0 }, hook: undefined },
    { word: { state: 'released', time: 2, removed: 0 }, hook: RUNNING },
    { word: { state: 'rolled-back', time: 3, removed: 0 }, hook: RUNNING },
  ] as const;

  const document = stageDocument(
    { word: undefined, hook: RUNNING, wanted: undefined, wave: 1, code: undefined, status: '' },
    steps,
  );

  expect(document.steps.map(({ hook }) => hook?.state)).toEqual([undefined, 'unknown', 'running']);
  expect(stepRows('bob', document).map((row) => row[3])).toEqual(['', 'not awaited', 'running']);
});

test('people read times of releases by the clock of their machine', () => {
  const at = '2026-03-02T18:00:05.000Z';
  const hour = String(new Date(at).getHours()).padStart(2, '0');

  const planned = rolloutInWords(
    { act: 'release', state: 'planned', wave: 1, waves: 1, at, status: '' },
    'k3q9',
  );

  expect(planned).toContain(` ${hour}:00:05;`);
  expect(planned).not.toContain(at);
});

test('a machine that a release did not reach is said to be left as it was, and not to wait', () => {
  const status = 'not reached: wave 2 of 3 failed at carol';
  const document = stageDocument(
    { word: undefined, hook: undefined, wanted: undefined, wave: 3, code: undefined, status },
    [{ word: { state: 'staged', time: 1, removed: 0 }, hook: undefined }],
  );
  expect(stepRows('dave', document).at(-1)).toEqual(['dave', 'stopped', '', '', status]);

  const stopped = { act: 'release', state: 'stopped', wave: 2, waves: 3, at: null } as const;
  const words = rolloutInWords({ ...stopped, status: 'wave 2 of 3 failed at carol' }, 'k3q9');
  expect(words).toBe('release stopped: wave 2 of 3 failed at carol');
});
