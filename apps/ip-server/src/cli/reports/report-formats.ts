import { formatAgo, printableJson, TableWriter } from '@filer/program';
import type { ReportDocument } from './report-documents.ts';

/** How reports are written: piece by piece, so that there may be any number of them. */
export interface ReportFormat {
  readonly begin: string;
  /** @param documents one at the least */
  readonly block: (documents: readonly ReportDocument[]) => string;
  readonly end: string;
}

/** One document of any size. */
export function jsonDocument(): ReportFormat {
  let separator = '';
  const block = (documents: readonly ReportDocument[]): string => {
    const piece = separator + documents.map(printableJson).join(',');
    separator = ',';
    return piece;
  };
  return { begin: '{"reports":[', block, end: ']}\n' };
}

/** An object a line. */
export function jsonLines(): ReportFormat {
  return {
    begin: '',
    block: (documents) => documents.map((each) => `${printableJson(each)}\n`).join(''),
    end: '',
  };
}

/** Of a command's output a table shows so many characters at most; "reports get" shows all. */
const FIRST_LINE = /(?<begin>\S.{0,59})(?<more>.?)/u;

const COLUMNS = [
  { title: 'ID', fit: 'whole' },
  { title: 'WHEN', fit: 'whole' },
  { title: 'PEER', fit: 'whole' },
  { title: 'TITLE' },
  { title: 'VALUES' },
] as const;

/**
 * A table, laid out block by block: its columns may get wider further down.
 *
 * @param width columns of the terminal, or Infinity
 * @param isLive shows when a report came, not how long ago: its line stays
 */
export function tableFormat(width: number, isLive: boolean): ReportFormat {
  const table = new TableWriter(COLUMNS, width);
  const now = Date.now();
  const rowOf = (document: ReportDocument): string[] => {
    const { id, peer, receivedAt, title, schedule } = document;
    const when = isLive ? receivedAt : formatAgo(Date.parse(receivedAt), now);
    return [id, when, peer, title ?? schedule ?? '', contentOf(document)];
  };
  return { begin: '', block: (documents) => `${table.rows(documents.map(rowOf))}\n`, end: '' };
}

/**
 * The values and how the output of a command begins; before them what went wrong, since that must not be lost among
 * them.
 */
function contentOf({ run, values, output, attachments }: ReportDocument): string {
  return [
    ...(run === null ? [] : failureOf(run)),
    ...Object.entries(values).map(([key, value]) => `${key}=${value}`),
    ...firstLine(output ?? ''),
    ...(attachments.length === 0
      ? []
      : [attachments.length === 1 ? '(1 file)' : `(${attachments.length} files)`]),
  ].join(' ');
}

/** The first line that says something, cut where it would fill a table; nothing without any. */
function firstLine(output: string): string[] {
  const { begin, more } = FIRST_LINE.exec(output)?.groups ?? {};
  return begin === undefined ? [] : [`${begin.trimEnd()}${more === '' ? '' : '…'}`];
}

/** Why a command did not end well; nothing when it did. */
export function failureOf({ exitCode, signal, timedOut }: NonNullable<ReportDocument['run']>): string[] {
  if (timedOut) return ['TIMED OUT'];
  if (signal !== null) return [`FAILED (${signal})`];
  if (exitCode === null) return ['NOT STARTED'];
  return exitCode === 0 ? [] : [`FAILED (exit ${exitCode})`];
}
