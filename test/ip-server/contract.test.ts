import * as v from 'valibot';
import { expect, test } from 'vitest';
import { contract } from '../../apps/ip-server/src/api/contract.ts';

test('what machines claim may add up to any number, and is shown all the same', () => {
  const claimed = Number.MAX_SAFE_INTEGER * 2;
  const counts = {
    delivered: 0,
    delivering: 1,
    asked: 0,
    waiting: 0,
    late: 0,
    failed: 0,
    missing: 0,
    gone: 0,
  };
  const lastRun = {
    ...counts,
    id: 'a',
    run: '2026-11-21',
    dueAt: null,
    startedAt: '2026-11-21T18:00:00.000Z',
    newest: true,
    expected: 1,
    files: claimed,
    bytes: claimed,
  };
  const collect = {
    name: 'results',
    from: ['@all'],
    paths: ['results/**'],
    every: '1h',
    cron: null,
    folder: '/srv/collected',
    graceMs: 1,
    createdAt: '2026-11-21T18:00:00.000Z',
    nextAt: null,
    lastRun,
  };
  expect(v.is(contract.collects.result, { running: true, collects: [collect] })).toBe(true);
  const malformed = { ...collect, lastRun: { ...lastRun, bytes: null } };
  expect(v.is(contract.collects.result, { running: true, collects: [malformed] })).toBe(false);
});
