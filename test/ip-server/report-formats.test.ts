import type { ReportBody } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { documentOf } from '../../apps/ip-server/src/cli/reports/report-documents.ts';
import { tableFormat } from '../../apps/ip-server/src/cli/reports/report-formats.ts';

const DONE = { exitCode: 0, signal: null, durationMs: 10, timedOut: false, droppedBytes: 0 };

/** The line of a table for one report of a schedule, without its columns on the left. */
function shown(body: Partial<ReportBody>, width = Number.POSITIVE_INFINITY): string {
  const report = { title: '', values: [], schedule: 'disk', run: DONE, ...body };
  const key = { spool: '00'.repeat(16), seq: 1, kind: 'schedule', time: 1 } as const;
  const stored = { id: '1', peer: 'NAS', receivedAt: Date.now(), report: { ...key, ...report } };
  return tableFormat(width, false).block([documentOf(stored, new Map([['NAS', 'nas']]))]);
}

describe('what a command wrote is seen in the table by its first line', () => {
  test.each([
    [{ output: '\n  12 GB free  \nand more\n' }, /disk +12 GB free\n$/],
    [{ output: '12 GB free', values: [['site', 'roof']] as const }, /disk +site=roof 12 GB free\n$/],
    [{ output: '' }, /disk\n$/],
    [{ output: `${'ü'.repeat(60)}\nnext` }, /disk +ü{60}\n$/],
    [{ output: 'ü'.repeat(61) }, /disk +ü{60}…\n$/],
    [{ output: 'no such disk', run: { ...DONE, exitCode: 1 } }, /disk +FAILED \(exit 1\) no such disk\n$/],
    [{ output: 'red \u001B[31m' }, /disk +red \\u\{1b\}\[31m\n$/],
  ])('%j', (body, line) => {
    expect(shown(body)).toMatch(line);
  });

  test('a line fits 60 columns', () => {
    const lines = shown({ output: 'x'.repeat(200) }, 60).split('\n');

    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(60);
  });
});
