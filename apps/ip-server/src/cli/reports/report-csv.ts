import { csvLine, printable, type CsvCell } from '@filer/program';
import type { ReportDocument } from './report-documents.ts';
import type { ReportFormat } from './report-formats.ts';

/** Columns are only ever added, at the end. `values` and `attachments` are JSON. */
const COLUMNS: readonly (readonly [name: string, cell: (document: ReportDocument) => CsvCell])[] = [
  ['id', ({ id }) => id],
  ['peer', ({ peer }) => peer],
  ['peerId', ({ peerId }) => peerId],
  ['spool', ({ spool }) => spool],
  ['seq', ({ seq }) => seq],
  ['kind', ({ kind }) => kind],
  ['time', ({ time }) => time],
  ['receivedAt', ({ receivedAt }) => receivedAt],
  ['title', ({ title }) => title],
  ['schedule', ({ schedule }) => schedule],
  ['values', ({ values }) => JSON.stringify(values)],
  ['attachments', ({ attachments }) => JSON.stringify(attachments)],
  ['output', ({ output }) => output],
  ['exitCode', ({ run }) => run?.exitCode],
  ['signal', ({ run }) => run?.signal],
  ['durationMs', ({ run }) => run?.durationMs],
  ['timedOut', ({ run }) => run?.timedOut],
  ['droppedBytes', ({ run }) => run?.droppedBytes],
];

/**
 * RFC 4180 with a line of names, in UTF-8. What a spreadsheet would take for a formula gets an apostrophe in front,
 * numbers do not.
 *
 * @param keys of values that get a column of their own, `value.KEY`
 * @param forTerminal with what could move or hide output escaped
 */
export function csvFormat(keys: readonly string[], forTerminal: boolean): ReportFormat {
  const columns = [
    ...COLUMNS,
    ...[...new Set(keys)].map(
      (key) => [`value.${key}`, ({ values }: ReportDocument): CsvCell => values[key]] as const,
    ),
  ];
  const line = (cells: readonly CsvCell[]): string => {
    const text = csvLine(cells);
    return forTerminal ? `${printable(text)}\n` : `${text}\r\n`;
  };
  return {
    begin: line(columns.map(([name]) => name)),
    block: (documents) => documents.map((each) => line(columns.map(([, cell]) => cell(each)))).join(''),
    end: '',
  };
}
