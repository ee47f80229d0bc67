import { describe, expect, test } from 'vitest';
import {
  createIdentity,
  dial,
  encodeFrame,
  type Endpoint,
  FilerError,
  formatHello,
  type Hello,
  type Messenger,
  readHello,
  sayHello,
  Server,
  Session,
  UNAUTHENTICATED_OPTIONS,
  unauthenticatedMessenger,
  type Welcome,
} from '@filer/protocol';
import { Client } from '@filer/sockets';
import { failureOf } from './outcome.ts';
import { TCP, connect, nextOf, until } from './wires.ts';

const HELLO: Hello = {
  versions: [1],
  features: [],
  role: 'command',
  network: 'N',
  removals: 0,
  purpose: 'session',
  subscribe: false,
  software: '0.1.0',
  schedules: [],
};
const WELCOME: Welcome = { version: 1, features: [], network: 'N', removals: 3, software: '0.1.0' };

const [ours, theirs] = await Promise.all([createIdentity(), createIdentity()]);

/** Accepts as an application would: reads hello, decides, admits, welcomes, serves. */
class Door extends Server {
  readonly refusals: string[] = [];
  readonly hellos: Hello[] = [];
  refuse: FilerError | undefined;
  helloMs = 10_000;
  keepsWaiting = false;
  pages = 0;

  protected override async serve(messenger: Messenger): Promise<void> {
    const { hello, version, welcome } = await readHello(messenger, { timeoutMs: this.helloMs });
    this.hellos.push(hello);
    if (this.refuse !== undefined) throw this.refuse;
    if (this.keepsWaiting) await messenger.closed;
    this.admit(messenger);
    await welcome({ ...WELCOME, version });
    for (let page = 0; page < this.pages; page++) {
      messenger.post(encodeFrame({ type: 'directory' }, Buffer.alloc(256 * 1024)));
    }
    await new Session(messenger, () => ({ header: { type: 'ok' } })).closed;
  }

  protected override onClosed(_: Messenger, __: number, reason: FilerError | undefined): void {
    this.refusals.push(reason?.code ?? 'in order');
  }
}

async function opened(authenticationMs = 10_000) {
  const door = await new Door().open(
    { transport: 'tls', host: '127.0.0.1', port: 0, identity: ours },
    { messenger: UNAUTHENTICATED_OPTIONS, authenticationMs },
  );
  const port = 'port' in door.addr ? door.addr.port : 0;
  const endpoint: Endpoint = { transport: 'tls', host: '127.0.0.1', port, identity: theirs, expect: ours.id };
  return { door, endpoint, [Symbol.asyncDispose]: () => door.stop() };
}

test('hello is answered by welcome, and both sides then serve each other', async () => {
  await using place = await opened();
  const messenger = unauthenticatedMessenger(await dial(place.endpoint));
  const welcome = await sayHello(messenger, { ...HELLO, role: 'daemon', incarnation: '7.0123456789abcdef' });
  expect(welcome).toEqual(WELCOME);
  expect(place.door.hellos).toEqual([{ ...HELLO, role: 'daemon', incarnation: '7.0123456789abcdef' }]);
  const session = new Session(messenger);
  expect((await session.request({ type: 'large' }, Buffer.alloc(1 << 19))).header['type']).toBe('ok');
  expect(session.peerId).toBe(ours.id);
  await session.close();
});

test('who is not admitted in time is told so', async () => {
  await using place = await opened(100);
  place.door.keepsWaiting = true;
  const messenger = unauthenticatedMessenger(await dial(place.endpoint));
  expect(await failureOf(sayHello(messenger, HELLO))).toMatchObject({ code: 'timed-out' });
});

test('a message that no session needs is refused from its prefix', async () => {
  await using place = await opened();
  const messenger = unauthenticatedMessenger(await dial(place.endpoint));
  await sayHello(messenger, HELLO);
  const session = new Session(messenger);
  const asked = session.request({ type: 'large' }, Buffer.alloc((1 << 19) + 1));
  expect((await failureOf(asked)).code).toBe('frame-too-large');
});

test('what follows the welcome at once is taken, although it is large', async () => {
  await using place = await opened();
  place.door.pages = 4;
  const messenger = unauthenticatedMessenger(await dial(place.endpoint));
  await sayHello(messenger, HELLO);
  for (let page = 0; page < 4; page++) expect((await nextOf(messenger)).content).toHaveLength(256 * 1024);
  await messenger.close();
});

test('a refusal reaches the dialler with its code and words', async () => {
  await using place = await opened();
  place.door.refuse = new FilerError('removed', 'this peer was removed: ask for a new invite');
  const messenger = unauthenticatedMessenger(await dial(place.endpoint));
  const error = await failureOf(sayHello(messenger, HELLO));
  expect(error.code).toBe('removed');
  expect(error.message).toContain('"this peer was removed: ask for a new invite"');
  await messenger.closed;
  await until(() => place.door.refusals.length === 1);
  expect(place.door.refusals).toEqual(['removed']);
});

describe('the accepter refuses', () => {
  test.each([
    ['another first message', { type: 'report', id: '1' }, '', 'unexpected-message'],
    ['a message without a type', {}, '', 'unexpected-message'],
    [
      'no common version',
      { type: 'hello', id: '0', versions: '2,3', role: 'of the future' },
      '',
      'version-mismatch',
    ],
    ['no versions', { type: 'hello', id: '0' }, '', 'message-malformed'],
    ['versions that are no integers', { type: 'hello', versions: '0x1' }, '', 'message-malformed'],
    [
      'an unknown role',
      { type: 'hello', versions: '1', role: 'root', network: 'N' },
      '',
      'message-malformed',
    ],
    [
      'a content that is not JSON',
      { type: 'hello', versions: '1', role: 'join', network: 'N' },
      '{',
      'message-malformed',
    ],
    [
      'a hello above 64 KiB',
      { type: 'hello', versions: '1', role: 'join', network: 'N' },
      ' '.repeat(65_537),
      'frame-too-large',
    ],
  ])('%s with one error message', async (_, header, content, code) => {
    await using place = await opened();
    const messenger = unauthenticatedMessenger(await dial(place.endpoint));
    const sending = messenger.send(header, Buffer.from(content)).catch(() => undefined);
    const answer = await nextOf(messenger);
    expect(answer.header).toMatchObject({ type: 'error', code });
    expect(await messenger.closed).toBeUndefined();
    await sending;
    await until(() => place.door.refusals.length === 1);
    expect(place.door.refusals).toEqual([code]);
  });

  test('silence, when its time is over', async () => {
    await using place = await opened();
    place.door.helloMs = 100;
    const messenger = unauthenticatedMessenger(await dial(place.endpoint));
    await messenger.closed;
    await until(() => place.door.refusals.length === 1);
    expect(place.door.refusals).toEqual(['timed-out']);
  });

  test('a hello that comes one byte at a time, when its time is over', async () => {
    await using place = await opened(200);
    const link = await dial(place.endpoint);
    const { header, content } = formatHello(HELLO, '0');
    const bytes = encodeFrame(header, content);
    let at = 0;
    const drip = setInterval(() => link.socket.write(bytes.subarray(at, ++at)), 20);
    await new Promise((resolve) => link.socket.resume().once('close', resolve));
    clearInterval(drip);
    expect(at).toBeLessThan(bytes.length);
    expect(place.door.hellos).toEqual([]);
  });
});

test('other connections are served while one is being refused', async () => {
  await using place = await opened();
  const client = new Client();
  const bad = await client.addConnection(place.endpoint);
  await bad.send({ type: 'nonsense' });
  const good = unauthenticatedMessenger(await dial(place.endpoint));
  await sayHello(good, HELLO);
  await bad.closed;
  expect(good.open).toBe(true);
  await good.close();
  await client.stop();
});

describe('the dialler refuses', () => {
  const answered = async (header: Record<string, string>, content = ''): Promise<FilerError> => {
    await using pair = await connect(TCP);
    const said = failureOf(sayHello(pair.near, HELLO));
    await nextOf(pair.far);
    await pair.far.send(header, Buffer.from(content));
    const error = await said;
    await pair.near.closed;
    return error;
  };
  const welcome = { type: 'welcome', re: '0', version: '1', network: 'N' };

  test.each([
    ['another network', { ...welcome, network: 'M' }, '', 'refused'],
    ['a version that it does not speak', { ...welcome, version: '2' }, '', 'version-mismatch'],
    ['a number that is invalid', { ...welcome, seq: '-1' }, '', 'message-malformed'],
    ['a broken content', welcome, 'null', 'message-malformed'],
    ['anything but welcome', { type: 'ok', re: '0' }, '', 'unexpected-message'],
    ['an error', { type: 'error', code: 'not-a-member', message: 'who are you?' }, '', 'not-a-member'],
  ])('%s', async (_, header, content, code) => {
    expect((await answered(header, content)).code).toBe(code);
  });

  test('silence, when its time is over', async () => {
    await using pair = await connect(TCP);
    const error = await failureOf(sayHello(pair.near, HELLO, { timeoutMs: 50 }));
    expect(error.code).toBe('timed-out');
    expect(error.message).toMatch(/did not say welcome within 0\.05 s$/);
  });

  test.each([false, true])('to wait once its signal is aborted (before it began: %s)', async (before) => {
    await using pair = await connect(TCP);
    const abort = new AbortController();
    const reason = new FilerError('interrupted', 'a person pressed Ctrl-C');
    if (before) abort.abort(reason);
    const said = failureOf(sayHello(pair.near, HELLO, { signal: abort.signal }));
    abort.abort(reason);
    expect(await said).toBe(reason);
    expect(pair.near.open).toBe(false);
  });

  test('an accepter that leaves', async () => {
    await using pair = await connect(TCP);
    const said = failureOf(sayHello(pair.near, HELLO));
    await nextOf(pair.far);
    await pair.far.close();
    const error = await said;
    expect(error.code).toBe('connection-closed');
    expect(error.message).toMatch(/closed the connection before its welcome$/);
  });
});
