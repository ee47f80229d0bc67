import { integerIn, optionalIntegerIn, textIn, type Row } from '@filer/program';
import type { AuditEntry } from './audit-store.ts';

export function auditEntryOf(row: Row): AuditEntry {
  return {
    number: integerIn(row, 'number'),
    time: integerIn(row, 'time'),
    by: textIn(row, 'caller'),
    name: textIn(row, 'name'),
    action: textIn(row, 'action'),
    target: textIn(row, 'target'),
    result: row['result'] === null ? undefined : textIn(row, 'result'),
    endedAt: optionalIntegerIn(row, 'ended_at'),
  };
}
