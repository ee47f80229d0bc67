import { expect, test } from 'vitest';
import {
  FilerError,
  errorOf,
  formatError,
  formatHello,
  formatWelcome,
  parseHello,
  parseWelcome,
  pickVersion,
  type Hello,
  type Welcome,
} from '@filer/protocol';
import { codeOf } from '../outcome.ts';
import { membership, network, record, serverRecord, withContent, withHeader } from './documents.ts';

const HELLO: Hello = {
  versions: [1],
  features: ['delta', 'relay2'],
  role: 'daemon',
  network,
  removals: 7,
  purpose: 'session',
  callBack: 'A'.repeat(43),
  calledBack: 'b'.repeat(43),
  incarnation: '3.0123456789abcdef',
  subscribe: true,
  software: '0.1.0-beta.1+x',
  membership,
  record,
  schedules: [{ name: 'nightly', nextInMs: 5, thirdInMs: 7, always: false }],
};
/** So many schedules, each with a name of its own. */
const schedulesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ name: `s${index}`, nextInMs: 1, thirdInMs: 1 }));

const WELCOME: Welcome = {
  version: 1,
  features: [],
  network,
  removals: 0,
  software: '0.1.0',
  heartbeatMs: 10_000,
  epoch: 'e1',
  seq: 9,
  observed: '[2001:db8::1]:7',
  membership,
  serverRecord,
};

test('hello and welcome come back as they were, with all and with the least', () => {
  expect(parseHello(formatHello(HELLO, '1'))).toEqual(HELLO);
  expect(parseWelcome(formatWelcome(WELCOME, '1'))).toEqual(WELCOME);
  const { incarnation: _, membership: __, record: ___, callBack: ____, calledBack: _____, ...least } = HELLO;
  const hello: Hello = { ...least, features: [], subscribe: false, schedules: [], role: 'join' };
  expect(parseHello(formatHello(hello, '1'))).toEqual(hello);
  const welcome: Welcome = { version: 1, features: [], network, removals: 0, software: '1' };
  expect(parseWelcome(formatWelcome(welcome, '1'))).toEqual(welcome);
});

test('a hello of the barest header is understood', () => {
  const header = { type: 'hello', versions: '1,2', role: 'command', network };
  expect(parseHello({ header, content: Buffer.alloc(0) })).toEqual({
    versions: [1, 2],
    features: [],
    role: 'command',
    network,
    removals: 0,
    purpose: 'session',
    subscribe: false,
    software: '0',
    schedules: [],
  });
});

test.each([
  [{ versions: undefined }, 'message-malformed'],
  [{ versions: '' }, 'version-mismatch'],
  [{ versions: '2' }, 'version-mismatch'],
  [{ versions: '1,' }, 'message-malformed'],
  [{ versions: '01' }, 'message-malformed'],
  [{ versions: Array.from({ length: 33 }, () => '1').join() }, 'message-malformed'],
  [{ role: undefined }, 'message-malformed'],
  [{ role: 'admin' }, 'message-malformed'],
  [{ network: undefined }, 'message-malformed'],
  [{ network: 'N'.repeat(65) }, 'message-malformed'],
  [{ removals: '-1' }, 'message-malformed'],
  [{ purpose: 'both' }, 'message-malformed'],
  [{ callBack: 'short' }, 'message-malformed'],
  [{ calledBack: `${'A'.repeat(42)}/` }, 'message-malformed'],
  [{ incarnation: '1' }, 'message-malformed'],
  [{ incarnation: '1.0123456789ABCDEF' }, 'message-malformed'],
  [{ incarnation: '01.0123456789abcdef' }, 'message-malformed'],
  [{ software: '' }, 'message-malformed'],
  [{ software: '\u001b[31m' }, 'message-malformed'],
  [{ software: '1.0\n' }, 'message-malformed'],
  [{ features: 'a b' }, 'message-malformed'],
  [{ type: 'welcome' }, 'unexpected-message'],
])('a hello with %j is refused', (change, code) => {
  expect(codeOf(() => parseHello(withHeader(formatHello(HELLO, '1'), change)))).toBe(code);
});

test.each([
  ['no object', []],
  ['a membership that is none', { membership: {} }],
  ['a membership with a field too many', { membership: { ...membership, admin: true } }],
  ['a record that is none', { record: 'a' }],
  ['schedules that are no list', { schedules: {} }],
  ['a schedule without a name', { schedules: [{ nextInMs: 1, thirdInMs: 1 }] }],
  ['a schedule in the past', { schedules: [{ name: 'a', nextInMs: -1, thirdInMs: 1 }] }],
  ['101 schedules', { schedules: schedulesOf(101) }],
])('a hello whose content has %s is refused', (_, content) => {
  expect(codeOf(() => parseHello(withContent(formatHello(HELLO, '1'), content)))).toBe('message-malformed');
});

test.each([
  [{ version: undefined }, 'message-malformed'],
  [{ version: '2' }, 'version-mismatch'],
  [{ network: undefined }, 'message-malformed'],
  [{ heartbeatMs: '1e3' }, 'message-malformed'],
  [{ heartbeatMs: '' }, 'message-malformed'],
  [{ seq: '9007199254740993' }, 'message-malformed'],
  [{ epoch: 'a/b' }, 'message-malformed'],
  [{ observed: 'x'.repeat(65) }, 'message-malformed'],
])('a welcome with %j is refused', (change, code) => {
  expect(codeOf(() => parseWelcome(withHeader(formatWelcome(WELCOME, '1'), change)))).toBe(code);
});

test('keys of a later version are ignored', () => {
  const later = withHeader(formatHello(HELLO, '1'), { colour: 'blue', versions: '1,2' });
  expect(parseHello(later)).toEqual({ ...HELLO, versions: [1, 2] });
});

test('the newest common version is picked, and none is said in words', () => {
  expect(pickVersion([3, 1, 2])).toBe(1);
  expect(() => pickVersion([2, 3])).toThrow(
    'the other side speaks protocol version 2, 3 and this one 1: update the older one',
  );
});

test('an error crosses with its code, and its words are bounded and well-formed', () => {
  const header = formatError(new FilerError('no-space', `${'x'.repeat(999)}\u{1f642}`), '3');
  expect({ type: header['type'], code: header['code'], re: header['re'] }).toEqual({
    type: 'error',
    code: 'no-space',
    re: '3',
  });
  expect(header['message']).toBe(`${'x'.repeat(999)}\ufffd`);
  expect(errorOf(header, 'bob').code).toBe('no-space');
  expect(errorOf({ code: 'toString' }, 'bob').code).toBe('refused');
});
