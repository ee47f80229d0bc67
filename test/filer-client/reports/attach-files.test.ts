import { expect, test } from 'vitest';
import { findFiles } from '../../../apps/filer-client/src/reports/attach-files.ts';

test('a pattern that would search the whole disk is given up after its time, and the report says so', async () => {
  const { signal } = new AbortController();
  const { paths, note } = await findFiles(['/**/no-such-file-*'], '/', signal, 5);
  expect(paths).toEqual([]);
  expect(note).toBe('/**/no-such-file-* takes longer than 5ms: not all was looked at');
});
