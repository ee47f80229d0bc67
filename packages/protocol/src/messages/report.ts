/*
 * What a machine reports.
 *
 *   heartbeat  client → server   the volatile numbers, all in the header; no answer
 *   report     client → server   id, spool, seq, kind, time; content JSON { title, values, schedule, … }
 *   stored     server → client   re, spool, seq: the report is on the server's disk
 *
 * A report's key is (peer, spool, seq). A known seq with another content is answered `report-conflict`.
 */
import { FilerError } from '../errors.ts';
import { requireInteger, requireText, type Message } from '../header.ts';
import { MAX_REPORT_BYTES } from '../limits.ts';
import { fieldsOf, formatJson, listOf, parseJson, textOf } from './json.ts';
import { expectType, oneOf } from './session.ts';

/** The volatile numbers of a machine. Sizes in bytes. */
export interface Heartbeat {
  readonly uptimeMs: number;
  /** The one-minute load average times 100. */
  readonly loadHundredths: number;
  readonly memoryTotalBytes: number;
  readonly memoryFreeBytes: number;
  /** Free on the disk that holds the inbox. */
  readonly inboxFreeBytes: number;
  /** Transfers that run. */
  readonly transfers: number;
  /** Reports that wait in the spool. */
  readonly spooled: number;
}

const HEARTBEAT_KEYS = [
  'uptimeMs',
  'loadHundredths',
  'memoryTotalBytes',
  'memoryFreeBytes',
  'inboxFreeBytes',
  'transfers',
  'spooled',
] as const;

export function formatHeartbeat(heartbeat: Heartbeat): Message {
  const header: Record<string, string> = { type: 'heartbeat' };
  for (const key of HEARTBEAT_KEYS) header[key] = String(heartbeat[key]);
  return { header, content: Buffer.alloc(0) };
}

/** @throws FilerError `message-malformed` */
export function parseHeartbeat({ header }: Message): Heartbeat {
  expectType(header, 'heartbeat');
  return {
    uptimeMs: requireInteger(header, 'uptimeMs'),
    loadHundredths: requireInteger(header, 'loadHundredths'),
    memoryTotalBytes: requireInteger(header, 'memoryTotalBytes'),
    memoryFreeBytes: requireInteger(header, 'memoryFreeBytes'),
    inboxFreeBytes: requireInteger(header, 'inboxFreeBytes'),
    transfers: requireInteger(header, 'transfers'),
    spooled: requireInteger(header, 'spooled'),
  };
}

/** What a report says. What users name travels in the content, never as header keys. */
export interface ReportBody {
  readonly title: string;
  /** Key and value, in the user's order. */
  readonly values: readonly (readonly [string, string])[];
  /** The schedule that made it; empty for one made by hand. */
  readonly schedule: string;
}

export interface Report extends ReportBody {
  /** Random, made with the spool's database: a restored or lost home never collides. */
  readonly spool: string;
  readonly seq: number;
  readonly kind: 'user' | 'schedule';
  /** When it was made, by its maker's clock, in ms since the epoch. */
  readonly time: number;
}

const SPOOL = /^[0-9a-f]{32}$/;
const MAX_VALUES = 1_000;

/** The content of a report, checked against its limits. @throws FilerError `too-large` */
export function encodeReportBody(body: ReportBody): Buffer {
  const content = formatJson({ title: body.title, values: body.values, schedule: body.schedule });
  if (content.length > MAX_REPORT_BYTES) {
    throw new FilerError(
      'too-large',
      `the report is ${content.length} bytes, the limit is ${MAX_REPORT_BYTES}: report less, or send the rest as a file`,
    );
  }
  if (body.values.length > MAX_VALUES) {
    throw new FilerError(
      'too-large',
      `the report has ${body.values.length} values, the limit is ${MAX_VALUES}`,
    );
  }
  return content;
}

/** @throws FilerError `message-malformed`, `too-large` */
export function parseReportBody(content: Uint8Array): ReportBody {
  if (content.length > MAX_REPORT_BYTES) {
    throw new FilerError(
      'too-large',
      `the report is ${content.length} bytes, the limit is ${MAX_REPORT_BYTES}`,
    );
  }
  const fields = fieldsOf(
    parseJson(content, 'the content of a report', MAX_REPORT_BYTES),
    'the content of a report',
  );
  return {
    title: textOf(fields['title'] ?? '', 'title', { max: MAX_REPORT_BYTES }),
    values: listOf(fields['values'] ?? [], 'values', MAX_VALUES, parsePair),
    schedule: textOf(fields['schedule'] ?? '', 'schedule', { max: 64 }),
  };
}

function parsePair(value: unknown, what: string): readonly [string, string] {
  const [key, text, ...rest] = listOf(value, what, 2, (item, name) =>
    textOf(item, name, { max: MAX_REPORT_BYTES }),
  );
  if (key === undefined || text === undefined || rest.length > 0 || key === '') {
    throw new FilerError('message-malformed', `${what} is not a pair of key and value`);
  }
  return [key, text];
}

/** @param content from `encodeReportBody`: the same bytes every time it is sent */
export function formatReport(report: Omit<Report, keyof ReportBody>, content: Buffer): Message {
  return {
    header: {
      type: 'report',
      spool: report.spool,
      seq: String(report.seq),
      kind: report.kind,
      time: String(report.time),
    },
    content,
  };
}

/** @throws FilerError `message-malformed`, `too-large` */
export function parseReport({ header, content }: Message): Report {
  expectType(header, 'report');
  return {
    spool: textOf(requireText(header, 'spool'), 'spool', { pattern: SPOOL }),
    seq: requireInteger(header, 'seq'),
    kind: oneOf(requireText(header, 'kind'), ['user', 'schedule'], 'kind'),
    time: requireInteger(header, 'time'),
    ...parseReportBody(content),
  };
}

export interface Stored {
  readonly spool: string;
  readonly seq: number;
}

export function formatStored({ spool, seq }: Stored): Message {
  return { header: { type: 'stored', spool, seq: String(seq) }, content: Buffer.alloc(0) };
}

/** @throws FilerError `message-malformed` */
export function parseStored({ header }: Message): Stored {
  expectType(header, 'stored');
  return { spool: requireText(header, 'spool'), seq: requireInteger(header, 'seq') };
}
