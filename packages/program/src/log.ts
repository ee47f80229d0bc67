import { FilerError, messageOf, stackOf } from '@filer/protocol';
import { RepeatedLines } from './repeated-lines.ts';
import { printable, printableJsonText } from './printable.ts';

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What happened, and with which values. An Error among them is logged as its message and code. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured lines; a message is a fixed phrase, what varies goes into the fields. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger whose lines all carry these fields. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** @default 'info' */
  readonly level?: LogLevel;
  /** @default 'text' */
  readonly format?: LogFormat;
  readonly stream: { write(text: string): unknown };
}

/** Names of fields whose values are secrets wherever they turn up. */
const SECRET_FIELDS = ['seed', 'keyPem', 'privateKey', 'secret', 'token', 'link'];

/** Another machine's words in a field: a longer sentence of it adds nothing and fills the disk. */
const MAX_VALUE_CHARS = 500;

/** An invite keeps its addresses, a private key nothing: in messages and errors as well as in fields. */
const INVITE = /(filer:\/\/[^\s"'\\/]{0,4096}\/)[A-Za-z0-9_\-=+/%.]+/g;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)/gs;

/**
 * Opens the log of a daemon. Lines leave at once and in order; strings from other machines are escaped, and
 * keys and invites are not written.
 */
export async function createLogger({
  level = 'info',
  format = 'text',
  stream,
}: LoggerOptions): Promise<Logger> {
  // Loaded here, since most commands of a command line never log.
  const { pino, stdTimeFunctions } = await import('pino');
  const root = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    {
      write: (line: string) => {
        const safe = withoutSecrets(line.trimEnd());
        stream.write(`${format === 'json' ? printableJsonText(safe) : humanLine(safe)}\n`);
      },
    },
  );
  const repeated = new RepeatedLines((phrase, fields) =>
    root.warn({ ...fields, line: phrase }, 'lines that repeat were not written'),
  );
  return wrap(root, level === 'debug', repeated);
}

interface PinoLike extends Record<LogLevel, (fields: object, message: string) => void> {
  isLevelEnabled(level: string): boolean;
  child(fields: object): PinoLike;
}

function wrap(pino: PinoLike, stacks: boolean, repeated: RepeatedLines, own: LogFields = {}): Logger {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (!pino.isLevelEnabled(level)) return;
      const said = loggable(fields, stacks);
      const chars = message.length + JSON.stringify({ ...own, ...said }).length;
      if (repeated.admit(message, { ...own, ...fields }, chars)) pino[level](said, message);
    };
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: (fields) => {
      const said = loggable(fields, stacks);
      return wrap(pino.child(said), stacks, repeated, { ...own, ...said });
    },
  };
}

function loggable(fields: LogFields, stacks: boolean): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    result[name] = shortened(value instanceof Error ? messageOf(value) : value);
    if (!(value instanceof Error)) continue;
    if (value instanceof FilerError) result['code'] = value.code;
    if (stacks) result['stack'] = stackOf(value);
  }
  return result;
}

/** What is too long is cut, a list or an object as its JSON. */
function shortened(value: unknown): unknown {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : value;
  if (typeof text !== 'string' || text.length <= MAX_VALUE_CHARS) return value;
  return `${text.slice(0, MAX_VALUE_CHARS).toWellFormed()}…`;
}

function withoutSecrets(line: string): string {
  return line.replace(INVITE, '$1[redacted]').replace(PRIVATE_KEY, '[redacted]');
}

/** `2026-08-01T09:30:00.000Z info  peer joined peer=bob groups=["lab"]` */
function humanLine(json: string): string {
  const { time, level, msg, ...fields } = parseLine(json);
  const pairs = Object.entries(fields).map(([name, value]) => `${printable(name)}=${humanValue(value)}`);
  return [String(time), String(level).padEnd(5), printable(String(msg)), ...pairs].join(' ');
}

function parseLine(json: string): Record<string, unknown> {
  const value: unknown = JSON.parse(json);
  return typeof value === 'object' && value !== null ? { ...value } : { msg: json };
}

function humanValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? printable(text) : printableJsonText(JSON.stringify(text));
}
