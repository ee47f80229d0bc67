import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import * as protocol from '@filer/protocol';
import { FilerError, parseHeader } from '@filer/protocol';
import { RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

/** Names that every object answers to, or that change it when they are set. */
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];
const EVIL = '{"polluted":"1","prototype":{"polluted":"1"},"type":"x","id":"1"}';
const objectKeys = Object.getOwnPropertyNames(Object.prototype).toSorted();

function expectUnpolluted(): void {
  expect(Object.getOwnPropertyNames(Object.prototype).toSorted()).toEqual(objectKeys);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
}

/** Contents in which each of these names is a key, alone, in a list, and one level below. */
const contents = NAMES.flatMap((name) => [
  `{"${name}":${EVIL}}`,
  `[{"${name}":${EVIL}}]`,
  `{"membership":{"${name}":${EVIL}},"values":[["${name}","1"]],"title":"","schedule":"${name}"}`,
]);

type Parser = (message: unknown, ...rest: unknown[]) => unknown;

function isParser([name, value]: readonly [string, unknown]): boolean {
  return /^(parse|read)[A-Z]/.test(name) && typeof value === 'function';
}

const parsers = Object.entries<unknown>(protocol)
  .filter(isParser)
  .map(([, parse]) => parse as Parser);

test('no parser of the protocol lets a key of another machine reach what all objects share', async () => {
  expect(parsers.length).toBeGreaterThan(20);
  for (const parse of parsers) {
    for (const content of contents) {
      for (const header of [
        {},
        { type: 'constructor', id: '__proto__', spool: 'toString', seq: 'valueOf' },
      ]) {
        // Some take other values than a message: whatever they say of it, they leave no trace.
        for (const value of [
          { header, content: Buffer.from(content) },
          JSON.parse(content),
          Buffer.from(content),
          content,
        ]) {
          await Promise.resolve()
            .then(() => parse(value, 'what', 1_000_000))
            .catch(() => undefined);
        }
      }
    }
  }
  expectUnpolluted();
});

test.each(NAMES)('a header with the key %s is refused, or has it as its own', (name) => {
  // A key begins with a small letter: one that does not is no header.
  const own = (): unknown =>
    Object.getOwnPropertyDescriptor(parseHeader(Buffer.from(`{"type":"x","${name}":"1"}`)), name)?.value;
  const outcome = name.startsWith('_') ? failureOf(own) : own();
  expect(outcome).toBe(name.startsWith('_') ? 'frame-malformed' : '1');
  expect(parseHeader(Buffer.from('{"type":"x"}'))[name]).toBeUndefined();
  expectUnpolluted();
});

function failureOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error instanceof FilerError ? error.code : error;
  }
}

test('a server answers messages of such types and with such contents, and continues', async () => {
  await using server = await RunningServer.start();
  const member = await TestMember.join(await server.invite(), 'evil');
  await using connection = await member.connect();
  const { session } = connection;
  for (const type of NAMES) {
    await expect(session.request({ type })).rejects.toMatchObject({ code: 'unsupported' });
  }
  for (const type of [
    'report',
    'broadcast',
    'schedules',
    'record',
    'removals-get',
    'directory-get',
    'spool',
  ]) {
    for (const content of contents) {
      const header = {
        type,
        spool: '__proto__',
        seq: 'constructor',
        kind: 'toString',
        time: 'valueOf',
        after: 'x',
      };
      await expect(session.request(header, Buffer.from(content))).rejects.toBeInstanceOf(FilerError);
    }
  }
  await expect(connection.report(1)).resolves.toBeDefined();
});

const SAYS_AT_ITS_END = `data:text/javascript,process.on('exit', () => console.error('__proto__' in {}))`;

test.each(['ip-server/bin/ip-server', 'filer-client/bin/filer-client', 'filer-client/bin/filer'])(
  '%s runs without __proto__',
  async (program) => {
    const bin = fileURLToPath(new URL(`../../apps/${program}.js`, import.meta.url));
    const { stderr } = await promisify(execFile)(process.execPath, [
      '--import',
      SAYS_AT_ITS_END,
      bin,
      '--version',
    ]);

    expect(stderr).toBe('false\n');
  },
);
