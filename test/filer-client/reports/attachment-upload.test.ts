import { expect, test } from 'vitest';
import { failureOf } from '../../../apps/filer-client/src/reports/attachment-upload.ts';

const failed = { name: 'a', size: 1, status: 'failed', message: 'no' } as const;

test.each([
  // As a server's `verification-failed` arrives here.
  ['refused', 'peer', 'internal'],
  ['too-large', 'peer', 'too-large'],
  ['source-changed', 'here', 'source-changed'],
  ['refused', 'here', 'refused'],
] as const)(
  'an attachment that failed as %s, said by %s, makes its report wait or go aside as %s',
  (code, failedBy, expected) => {
    expect(failureOf({ ...failed, code, failedBy }).code).toBe(expected);
  },
);
