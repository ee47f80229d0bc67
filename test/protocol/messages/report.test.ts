import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  MAX_REPORT_BYTES,
  MAX_TITLE_CHARS,
  encodeReportBody,
  formatHeartbeat,
  formatReport,
  formatSpool,
  formatStored,
  parseHeartbeat,
  parseReportBody,
  reportMessage,
  spoolMessage,
  parseStored,
  type Heartbeat,
  type Report,
} from '@filer/protocol';
import { codeOf } from '../outcome.ts';
import { NOW, withContent, withHeader } from './documents.ts';

const REPORT: Report = {
  spool: '0123456789abcdef0123456789abcdef',
  seq: 4,
  kind: 'user',
  time: NOW,
  title: 'nightly build',
  values: [
    ['result', 'green'],
    ['result', 'again: keys may repeat'],
    ['__proto__', 'a key like any other'],
    ['⁦odd⁩ \u0007', ''],
  ],
  schedule: '',
};
const message = formatReport(REPORT, encodeReportBody(REPORT));

const HEARTBEAT: Heartbeat = {
  uptimeMs: 1,
  loadHundredths: 0,
  memoryTotalBytes: Number.MAX_SAFE_INTEGER,
  memoryFreeBytes: 4,
  inboxFreeBytes: 5,
  transfers: 6,
  spooled: 7,
};

test('a report comes back as it was', () => {
  expect(reportMessage.parse(message)).toEqual(REPORT);
});

const FULL: Report = {
  ...REPORT,
  kind: 'schedule',
  schedule: 'health',
  output: 'all \u0007 is well\n',
  run: { exitCode: null, signal: 'SIGKILL', durationMs: 30_000, timedOut: true, droppedBytes: 7 },
  attachments: [{ name: 'a b.log', size: 67_108_864, digest: `blake3:${'0f'.repeat(32)}` }],
};

test('what a command wrote, how it ended, and what is attached come back', () => {
  expect(reportMessage.parse(formatReport(FULL, encodeReportBody(FULL)))).toEqual(FULL);
});

test('when the next reports are due stands beside the report, not in it', () => {
  const due = { nextInMs: 5, thirdInMs: 9 };
  const timed = formatReport(FULL, encodeReportBody(FULL), due);
  expect(reportMessage.parse(timed).due).toEqual(due);
  expect(timed.content.equals(encodeReportBody(FULL))).toBe(true);
  expect(reportMessage.parse(message).due).toBeUndefined();
});

test.each([
  { nextInMs: '5' },
  { thirdInMs: '5' },
  { nextInMs: '9', thirdInMs: '5' },
  { nextInMs: '-1', thirdInMs: '5' },
  { nextInMs: '1', thirdInMs: '9007199254740991' },
])('a report that is due next at %j is refused', (change) => {
  expect(codeOf(() => reportMessage.parse(withHeader(message, change)).due)).toBe('message-malformed');
});

test('whatever a user names, the report comes back', () => {
  const word = fc.string({ unit: 'grapheme', maxLength: 50 });
  const pair = fc.tuple(
    word.filter((key) => key !== ''),
    word,
  );
  fc.assert(
    fc.property(word, fc.array(pair), (title, values) => {
      const body = { title, values, schedule: '' };
      expect(parseReportBody(encodeReportBody(body))).toEqual(body);
    }),
  );
});

test('the same report has the same bytes every time', () => {
  expect(encodeReportBody(REPORT).equals(encodeReportBody({ ...REPORT }))).toBe(true);
});

test('a report of 64 KiB is taken, and one byte more is not', () => {
  const rest = encodeReportBody({ title: '', values: [['x', '']], schedule: '' }).length;
  const body = (bytes: number) => ({
    title: '',
    values: [['x', 'x'.repeat(bytes - rest)]] as const,
    schedule: '',
  });
  expect(parseReportBody(encodeReportBody(body(MAX_REPORT_BYTES))).values[0]?.[1]).toHaveLength(
    MAX_REPORT_BYTES - rest,
  );
  expect(codeOf(() => encodeReportBody(body(MAX_REPORT_BYTES + 1)))).toBe('too-large');
  expect(codeOf(() => parseReportBody(Buffer.alloc(MAX_REPORT_BYTES + 1, ' ')))).toBe('too-large');
});

test('a title of 1,024 characters is made and taken, and one more neither; one that was stored is still read', () => {
  const body = (title: string) => ({ title, values: [], schedule: '' });
  const message = (title: string) => formatReport(REPORT, Buffer.from(JSON.stringify(body(title))));
  const [most, more] = ['t'.repeat(MAX_TITLE_CHARS), 't'.repeat(MAX_TITLE_CHARS + 1)];
  expect(reportMessage.parse(message(most)).title).toBe(most);
  expect(parseReportBody(encodeReportBody(body(most))).title).toBe(most);
  expect(codeOf(() => encodeReportBody(body(more)))).toBe('too-large');
  expect(codeOf(() => reportMessage.parse(message(more)))).toBe('too-large');
  expect(parseReportBody(Buffer.from(JSON.stringify(body(more)))).title).toBe(more);
});

test('a report of 1,000 values is taken, and one more is not', () => {
  const body = (count: number) => ({
    title: '',
    values: Array.from({ length: count }, (_, index) => [String(index), ''] as const),
    schedule: '',
  });
  expect(parseReportBody(encodeReportBody(body(1_000))).values).toHaveLength(1_000);
  expect(codeOf(() => encodeReportBody(body(1_001)))).toBe('too-large');
  expect(codeOf(() => parseReportBody(Buffer.from(JSON.stringify(body(1_001)))))).toBe('message-malformed');
});

test.each([
  { spool: undefined },
  { spool: '0123' },
  { spool: '0123456789ABCDEF0123456789ABCDEF' },
  { spool: "0123456789abcdef0123456789abcde'" },
  { seq: undefined },
  { seq: '-1' },
  { seq: '1.5' },
  { kind: undefined },
  { kind: 'system' },
  { time: '' },
])('a report with %j is refused', (change) => {
  expect(codeOf(() => reportMessage.parse(withHeader(message, change)))).toBe('message-malformed');
});

test.each([
  ['no object', 'text'],
  ['a title that is a number', { title: 1 }],
  ['values that are an object', { values: { a: 'b' } }],
  ['a pair of one', { values: [['a']] }],
  ['a pair of three', { values: [['a', 'b', 'c']] }],
  ['a value that is a number', { values: [['a', 1]] }],
  ['an empty key', { values: [['', 'b']] }],
  ['a lone surrogate', { values: [['a', '\ud800']] }],
  ['a schedule that is too long', { schedule: 'x'.repeat(65) }],
  ['an output that is none', { output: 1 }],
  ['a run that is none', { run: 'ok' }],
  ['an exit code that is text', { run: { ...FULL.run, exitCode: '1' } }],
  ['a signal that is none', { run: { ...FULL.run, signal: 'kill\n' } }],
  ['attachments that are none', { attachments: 'a' }],
  ['an attachment without a digest', { attachments: [{ name: 'a', size: 1 }] }],
  ['an attachment above the limit', { attachments: [{ ...FULL.attachments?.[0], size: 67_108_865 }] }],
  ['101 attachments', { attachments: Array.from({ length: 101 }, () => FULL.attachments?.[0]) }],
])('a report whose content has %s is refused', (_, content) => {
  expect(codeOf(() => reportMessage.parse(withContent(message, content)))).toBe('message-malformed');
});

test('a question about a spool names it', () => {
  expect(spoolMessage.parse(formatSpool(REPORT.spool)).spool).toBe(REPORT.spool);
  expect(codeOf(() => spoolMessage.parse(formatSpool('../x')).spool)).toBe('message-malformed');
});

test('an answer names the report that is stored', () => {
  const stored = { spool: REPORT.spool, seq: REPORT.seq };
  expect(parseStored(formatStored(stored))).toEqual(stored);
  expect(codeOf(() => parseStored({ ...formatStored(stored), header: { type: 'ok' } }))).toBe(
    'unexpected-message',
  );
});

test('a heartbeat may say what the clock of its machine says', () => {
  expect(parseHeartbeat(formatHeartbeat(HEARTBEAT, 1_767_225_600_000)).time).toBe(1_767_225_600_000);
  expect(parseHeartbeat(formatHeartbeat(HEARTBEAT)).time).toBeUndefined();
  for (const value of ['', '-1', '1e9', '9007199254740993', 'now'])
    expect(codeOf(() => parseHeartbeat(withHeader(formatHeartbeat(HEARTBEAT), { time: value })))).toBe(
      'message-malformed',
    );
});

test('a heartbeat comes back, and each of its numbers must be there', () => {
  const beat = formatHeartbeat(HEARTBEAT);
  expect(parseHeartbeat(beat)).toEqual(HEARTBEAT);
  for (const key of Object.keys(HEARTBEAT)) {
    for (const value of [undefined, '', '-0', ' 12 ', '1e9', '9007199254740993']) {
      expect(codeOf(() => parseHeartbeat(withHeader(beat, { [key]: value })))).toBe('message-malformed');
    }
  }
});
