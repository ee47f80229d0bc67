/*
 * What a machine reports.
 *
 *   heartbeat  client → server   the volatile numbers, all in the header; no answer
 *   report     client → server   id, spool, seq, kind, time, [nextInMs, thirdInMs]; content JSON { title, values,
 *                                schedule, [output], [run], [attachments] }
 *   stored     server → client   re, spool, seq: the report is on the server's disk
 *   spool      client → server   id, spool: up to which seq is there anything of it? Answered `stored` with that, or 0
 *
 * A report's key is (peer, spool, seq). A known seq with another content is answered `report-conflict`. A report of
 * a schedule says when the next ones are due, as it is when the report is sent: that is no part of what is reported.
 * Attachments are at the server before their report is sent (see upload.ts), else it is answered `attachment-missing`.
 */
import { FilerError } from '../errors.ts';
import { requireInteger, requireText, type Message } from '../header.ts';
import { MAX_ATTACHMENTS, MAX_ATTACHMENT_BYTES, MAX_REPORT_BYTES, MAX_TITLE_CHARS } from '../limits.ts';
import { fieldsOf, formatJson, integerOf, listOf, parseJson, textOf } from './json.ts';
import { checkDue, type Due } from './schedule.ts';
import { expectType, oneOf } from './session.ts';
import { DIGEST_PATTERN } from './transfer-fields.ts';

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

/** @param time the sender's clock, in ms since the epoch */
export function formatHeartbeat(heartbeat: Heartbeat, time?: number): Message {
  const header: Record<string, string> = { type: 'heartbeat' };
  if (time !== undefined) header['time'] = String(time);
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

/** What the clock of the sender of a heartbeat says; undefined from an older one. @throws FilerError `message-malformed` */
export function parseHeartbeatTime({ header }: Message): number | undefined {
  return header['time'] === undefined ? undefined : requireInteger(header, 'time');
}

/** How a command ended whose output is reported. */
export interface CommandRun {
  /** null when it was killed, or could not be started. */
  readonly exitCode: number | null;
  /** The signal that ended it. */
  readonly signal: string | null;
  readonly durationMs: number;
  /** Whether it was ended because it took too long. */
  readonly timedOut: boolean;
  /** What of its output is not in the report, in bytes. */
  readonly droppedBytes: number;
}

/** A file that belongs to a report. */
export interface Attachment {
  /** A file's name, without folders; whether the receiving system takes it is judged there. */
  readonly name: string;
  readonly size: number;
  /** `blake3:HEX` */
  readonly digest: string;
}

/** What a report says. What users name travels in the content, never as header keys. */
export interface ReportBody {
  readonly title: string;
  /** Key and value, in the user's order. */
  readonly values: readonly (readonly [string, string])[];
  /** The schedule that made it; empty for one made by hand. */
  readonly schedule: string;
  /** What a command wrote. */
  readonly output?: string;
  readonly run?: CommandRun;
  readonly attachments?: readonly Attachment[];
}

/** What names a report among those of one machine. */
export interface ReportKey {
  /** Random, made with the spool's database: a restored or lost home never collides. */
  readonly spool: string;
  readonly seq: number;
}

export interface Report extends ReportBody, ReportKey {
  readonly kind: 'user' | 'schedule';
  /** When it was made, by its maker's clock, in ms since the epoch. */
  readonly time: number;
}

/** A spool's id as it travels. */
export const SPOOL_PATTERN = /^[0-9a-f]{32}$/;
const MAX_VALUES = 1_000;
const MAX_NAME_CHARS = 255;
const SIGNAL = /^SIG[A-Z0-9]{1,16}$/;

/** The content of a report, checked against its limits. @throws FilerError `too-large` */
export function encodeReportBody(body: ReportBody): Buffer {
  const { title, values, schedule, output, run, attachments = [] } = body;
  checkTitle(title);
  const content = formatJson({
    title,
    values,
    schedule,
    ...(output === undefined ? {} : { output }),
    ...(run === undefined ? {} : { run }),
    ...(attachments.length === 0 ? {} : { attachments }),
  });
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

/** For those who make reports and those who take them; one that was stored before is read whatever its title. */
function checkTitle(title: string): void {
  if (title.length <= MAX_TITLE_CHARS) return;
  throw new FilerError(
    'too-large',
    `the title is ${title.length} characters long, the limit is ${MAX_TITLE_CHARS}: report the rest as a value or a file`,
  );
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
    ...(fields['output'] === undefined
      ? {}
      : { output: textOf(fields['output'], 'output', { max: MAX_REPORT_BYTES }) }),
    ...(fields['run'] === undefined ? {} : { run: parseRun(fields['run']) }),
    ...(fields['attachments'] === undefined
      ? {}
      : { attachments: listOf(fields['attachments'], 'attachments', MAX_ATTACHMENTS, parseAttachment) }),
  };
}

function parseRun(value: unknown): CommandRun {
  const fields = fieldsOf(value, 'run');
  return {
    exitCode: fields['exitCode'] === null ? null : integerOf(fields['exitCode'], 'exitCode'),
    signal: fields['signal'] === null ? null : textOf(fields['signal'], 'signal', { pattern: SIGNAL }),
    durationMs: integerOf(fields['durationMs'], 'durationMs'),
    timedOut: fields['timedOut'] === true,
    droppedBytes: integerOf(fields['droppedBytes'], 'droppedBytes'),
  };
}

function parseAttachment(value: unknown, what: string): Attachment {
  const fields = fieldsOf(value, what);
  return {
    name: textOf(fields['name'], `${what}.name`, { max: MAX_NAME_CHARS }),
    size: integerOf(fields['size'], `${what}.size`, 0, MAX_ATTACHMENT_BYTES),
    digest: textOf(fields['digest'], `${what}.digest`, { pattern: DIGEST_PATTERN }),
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

/**
 * @param content from `encodeReportBody`: the same bytes every time it is sent
 * @param due of its schedule, now
 */
export function formatReport(report: Omit<Report, keyof ReportBody>, content: Buffer, due?: Due): Message {
  return {
    header: {
      type: 'report',
      spool: report.spool,
      seq: String(report.seq),
      kind: report.kind,
      time: String(report.time),
      ...(due === undefined ? {} : { nextInMs: String(due.nextInMs), thirdInMs: String(due.thirdInMs) }),
    },
    content,
  };
}

/** @throws FilerError `message-malformed`, `too-large` */
export function parseReport({ header, content }: Message): Report {
  expectType(header, 'report');
  const body = parseReportBody(content);
  checkTitle(body.title);
  return {
    spool: textOf(requireText(header, 'spool'), 'spool', { pattern: SPOOL_PATTERN }),
    seq: requireInteger(header, 'seq'),
    kind: oneOf(requireText(header, 'kind'), ['user', 'schedule'], 'kind'),
    time: requireInteger(header, 'time'),
    ...body,
  };
}

/** When the next reports of the report's schedule are due; undefined when it does not say. @throws FilerError `message-malformed` */
export function parseReportDue({ header }: Message): Due | undefined {
  const { nextInMs, thirdInMs } = header;
  if (nextInMs === undefined && thirdInMs === undefined) return undefined;
  return checkDue(requireInteger(header, 'nextInMs'), requireInteger(header, 'thirdInMs'));
}

export function formatSpool(spool: string): Message {
  return { header: { type: 'spool', spool }, content: Buffer.alloc(0) };
}

/** @returns the spool that is asked about @throws FilerError `message-malformed`, `unexpected-message` */
export function parseSpool({ header }: Message): string {
  expectType(header, 'spool');
  return textOf(requireText(header, 'spool'), 'spool', { pattern: SPOOL_PATTERN });
}

export function formatStored({ spool, seq }: ReportKey): Message {
  return { header: { type: 'stored', spool, seq: String(seq) }, content: Buffer.alloc(0) };
}

/** @throws FilerError `message-malformed` */
export function parseStored({ header }: Message): ReportKey {
  expectType(header, 'stored');
  return { spool: requireText(header, 'spool'), seq: requireInteger(header, 'seq') };
}
