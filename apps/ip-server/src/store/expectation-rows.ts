import { fieldsOf, integerOf, textOf } from '@filer/protocol';
import { integerIn, optionalIntegerIn, textIn, wordIn, type Row } from '@filer/program';
import type { Expectation, Punctuality, SavedClock } from './expectation.ts';

const STATES: readonly Punctuality[] = ['ok', 'late', 'missing'];

export function expectationOf(row: Row): Expectation {
  return {
    peer: textIn(row, 'peer'),
    schedule: textIn(row, 'name'),
    always: integerIn(row, 'always') === 1,
    graceMs: optionalIntegerIn(row, 'grace_ms'),
    dueAt: integerIn(row, 'due_at'),
    thirdAt: integerIn(row, 'third_at'),
    state: wordIn(row, 'state', STATES),
    since: integerIn(row, 'since'),
    reportedAt: optionalIntegerIn(row, 'reported_at'),
    stopped: integerIn(row, 'stopped') === 1,
  };
}

export function parseClock(value: unknown): SavedClock {
  const fields = fieldsOf(value, 'steady_clock');
  return {
    steady: integerOf(fields['steady'], 'steady'),
    time: integerOf(fields['time'], 'time'),
    uptime: integerOf(fields['uptime'], 'uptime'),
    boot: fields['boot'] === undefined ? undefined : textOf(fields['boot'], 'boot'),
  };
}
