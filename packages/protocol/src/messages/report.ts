/*
 * What a machine reports. A report's key is (peer, spool, seq). A known seq with another content is answered
 * `report-conflict`. Attachments are at the server before their report is sent (see upload.ts), else it is answered
 * `attachment-missing`.
 */
import { FilerError } from '../errors.ts';
import type { Message } from '../header.ts';
import { MAX_ATTACHMENTS, MAX_ATTACHMENT_BYTES, MAX_REPORT_BYTES, MAX_TITLE_CHARS } from '../limits.ts';
import { message, type Parsed } from './declaration.ts';
import { integer, optional, text, word, type Field } from './field.ts';
import { fieldsOf, formatJson, integerOf, listOf, parseJson, textOf } from './json.ts';
import { clientToServer, daemonToServer, serverToClient, serverToUploader } from './route.ts';
import { checkDue, MAX_DUE_MS, type Due } from './schedule.ts';
import { DIGEST_PATTERN } from './transfer-fields.ts';

/** The volatile numbers of a machine, all in the header. Sizes in bytes. */
export const heartbeatMessage = message({
  type: 'heartbeat',
  routes: [daemonToServer],
  header: {
    /** The sender's clock, in ms since the epoch; an older one does not say it. */
    time: optional(integer()),
    uptimeMs: integer(),
    /** The one-minute load average times 100. */
    loadHundredths: integer(),
    memoryTotalBytes: integer(),
    memoryFreeBytes: integer(),
    /** Free on the disk that holds the inbox. */
    inboxFreeBytes: integer(),
    /** Transfers that run. */
    transfers: integer(),
    /** Reports that wait in the spool. */
    spooled: integer(),
  },
});
export type Heartbeat = Omit<Parsed<typeof heartbeatMessage>, 'time'>;

/** @param time the sender's clock, in ms since the epoch */
export function formatHeartbeat(heartbeat: Heartbeat, time?: number): Message {
  return heartbeatMessage.format({ ...heartbeat, time });
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

/** When the next reports of its schedule are due, as it is when the report is sent. */
const due: Field<Due | undefined, 'optional'> = {
  presence: 'optional',
  rows: () => [
    { key: 'nextInMs', type: 'integer', presence: 'optional', limit: `${MAX_DUE_MS}` },
    {
      key: 'thirdInMs',
      type: 'integer',
      presence: 'with `nextInMs`',
      limit: `\`nextInMs\` to ${MAX_DUE_MS}`,
    },
  ],
  read: (from, _, prefix) => {
    if (from['nextInMs'] === undefined && from['thirdInMs'] === undefined) return undefined;
    const ms = integer();
    return checkDue(ms.read(from, 'nextInMs', prefix), ms.read(from, 'thirdInMs', prefix));
  },
  write: (value, _, to) => {
    if (value === undefined) return;
    to['nextInMs'] = String(value.nextInMs);
    to['thirdInMs'] = String(value.thirdInMs);
  },
};

const spool = text({ pattern: SPOOL_PATTERN });

/** The report is on the server's disk; or, of a `spool`, the newest that is, or 0. */
export const storedMessage = message({
  type: 'stored',
  routes: [serverToClient, serverToUploader],
  header: { spool, seq: integer() },
});

/** Up to which seq is there anything of this spool? */
export const spoolMessage = message({
  type: 'spool',
  routes: [clientToServer],
  header: { spool },
  answers: [storedMessage],
});

export const reportMessage = message({
  type: 'report',
  routes: [clientToServer],
  header: {
    spool,
    seq: integer(),
    kind: word(['user', 'schedule']),
    /** When it was made, by its maker's clock, in ms since the epoch. */
    time: integer(),
    due,
  },
  content: {
    shape: 'JSON `{ title, values, schedule, [output], [run], [attachments] }`',
    limit: `${MAX_REPORT_BYTES} bytes`,
    read: (content) => {
      const body = parseReportBody(content);
      checkTitle(body.title);
      return body;
    },
    /** From `encodeReportBody`: the same bytes every time it is sent. */
    write: ({ content }: { readonly content: Buffer }) => content,
  },
  answers: [storedMessage],
});
export type Report = Omit<Parsed<typeof reportMessage>, 'due'>;

/**
 * @param content from `encodeReportBody`: the same bytes every time it is sent
 * @param next of its schedule, now
 */
export function formatReport(report: Omit<Report, keyof ReportBody>, content: Buffer, next?: Due): Message {
  return reportMessage.format({ ...report, content, due: next });
}

export function formatSpool(id: string): Message {
  return spoolMessage.format({ spool: id });
}

export const { parse: parseHeartbeat } = heartbeatMessage;
export const { parse: parseStored, format: formatStored } = storedMessage;
