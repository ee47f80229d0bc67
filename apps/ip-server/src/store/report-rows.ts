import { FilerError, parseReportBody, type ReportBody } from '@filer/protocol';
import { bytesIn, integerIn, textIn, type Row } from '@filer/program';
import type { StoredReport } from './report-store.ts';

export function reportOf(row: Row): StoredReport {
  return {
    id: String(integerIn(row, 'number')),
    peer: textIn(row, 'peer'),
    receivedAt: integerIn(row, 'received_at'),
    report: {
      spool: textIn(row, 'spool'),
      seq: integerIn(row, 'seq'),
      kind: textIn(row, 'kind') === 'schedule' ? 'schedule' : 'user',
      time: integerIn(row, 'time'),
      ...bodyOf(row),
    },
  };
}

/** One report that cannot be read is shown as such, and costs none of the others. */
function bodyOf(row: Row): ReportBody {
  try {
    return parseReportBody(bytesIn(row, 'content'));
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return { title: '(damaged: what it says cannot be read)', values: [], schedule: '' };
  }
}
