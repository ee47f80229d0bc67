import { describe, expect, test } from 'vitest';
import {
  broadcastedMessage,
  chunkMessage,
  collectMessage,
  FilerError,
  gotMessage,
  heartbeatMessage,
  messageTypes,
  Router,
  textMessage,
  type Message,
} from '@filer/protocol';

const NOTHING = Buffer.alloc(0);
const message = (header: Record<string, string>): Message => ({ header, content: NOTHING });
const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return error instanceof FilerError ? error.code : String(error);
  }
  return 'nothing was thrown';
};

test('a handler is given what the declaration parses, and the context of its connection', () => {
  const seen: unknown[] = [];
  const router = new Router<string, void>({ on: 'transfer', as: 'sender' }).on(gotMessage, (got, context) =>
    seen.push(got, context),
  );

  router.take(message({ type: 'got', entry: '3', offset: '7', unknown: 'x' }), 'here');

  expect(seen).toEqual([{ entry: 3, offset: 7 }, 'here']);
});

test('a message that its handler is to parse comes as it is', () => {
  const seen: Message[] = [];
  const router = new Router<object, void>({ on: 'transfer', as: 'sender' }).onUnparsed(
    gotMessage,
    (got) => void seen.push(got),
  );
  const malformed = message({ type: 'got' });

  router.take(malformed, {});

  expect(seen).toEqual([malformed]);
});

test('a message is registered once, and only where the table leads it', () => {
  const router = new Router<object, void>({ on: 'session', as: 'client' }).on(
    collectMessage,
    () => undefined,
  );

  expect(() => router.on(collectMessage, () => undefined)).toThrow('collect');
  expect(() => router.on(heartbeatMessage, () => undefined)).toThrow('heartbeat');
  expect(() => router.on(chunkMessage, () => undefined)).toThrow('chunk');
});

describe('in a session', () => {
  const router = new Router<object, string>({ on: 'session', as: 'server' }).on(
    heartbeatMessage,
    () => 'taken',
  );
  const numbers = Object.fromEntries(heartbeatMessage.fields.map(([key]) => [key, '0']));
  const heartbeat = message({ ...numbers, type: 'heartbeat' });

  test.each(['nonsense', 'chunk', 'broadcasted', 'text', '__proto__'])('%s is unsupported', (type) => {
    expect(codeOf(() => router.take(message({ type }), {}))).toBe('unsupported');
  });

  test('what only a daemon says is refused from a command', () => {
    expect(router.take(heartbeat, {}, 'daemon')).toBe('taken');
    expect(codeOf(() => router.take(heartbeat, {}, 'command'))).toBe('refused');
  });
});

test('in a transfer each message of a transfer is out of place without a handler, and any other unsupported', () => {
  const router = new Router<object, void>({ on: 'transfer', as: 'receiver' });
  const own = messageTypes().filter(({ routes }) => routes.some(({ on }) => on === 'transfer'));

  for (const { type } of own) expect(router.refusalOf({ type })?.code).toBe('unexpected-message');
  for (const { type } of [textMessage, broadcastedMessage]) {
    expect(router.refusalOf({ type })?.code).toBe('unsupported');
  }
});
