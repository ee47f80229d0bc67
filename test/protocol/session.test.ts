import { describe, expect, test } from 'vitest';
import {
  FilerError,
  Session,
  encodeFrame,
  unsupported,
  type Handler,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { failureOf } from './outcome.ts';
import { TCP, collect, connect, until } from './wires.ts';

async function sessions(handlers: { near?: Handler; far?: Handler } = {}) {
  const pair = await connect(TCP);
  return {
    near: new Session(pair.near, handlers.near),
    far: new Session(pair.far, handlers.far),
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

const echo: Handler = ({ header, content }) => ({
  header: { type: 'echo', of: header['type'] ?? '' },
  content,
});

test('an answer finds its question, in whatever order they come', async () => {
  const waiting: (() => void)[] = [];
  await using pair = await sessions({
    far: ({ header }, session) => {
      const answer = { type: 'answer', re: header['id'] ?? '', of: header['number'] ?? '' };
      waiting.push(() => void session.notify(answer));
      return undefined;
    },
  });
  const asked = ['1', '2', '3'].map((number) => pair.near.request({ type: 'ask', number }));
  await until(() => waiting.length === 3);
  for (const answer of waiting.toReversed()) answer();
  expect((await Promise.all(asked)).map(({ header }) => header['of'])).toEqual(['1', '2', '3']);
});

test('both sides may ask at once', async () => {
  await using pair = await sessions({ near: echo, far: echo });
  const answers = await Promise.all([
    pair.near.ask({ header: { type: 'a' }, content: Buffer.from('1') }),
    pair.far.ask({ header: { type: 'b' }, content: Buffer.from('2') }),
  ]);
  expect(answers.map(({ header, content }) => [header['of'], content.toString()])).toEqual([
    ['a', '1'],
    ['b', '2'],
  ]);
});

test('a handler may ask over its own session while it is being waited for', async () => {
  await using pair = await sessions({
    near: echo,
    far: async (_, session) => {
      const { header } = await session.request({ type: 'which' });
      return { header: { type: 'that', of: header['of'] ?? '' } };
    },
  });
  expect((await pair.near.request({ type: 'what' })).header['of']).toBe('which');
});

test('an error answer is thrown at the asker with its code, and the session continues', async () => {
  await using pair = await sessions({
    far: (message) => {
      if (message.header['type'] === 'fine') return echo(message, pair.far);
      throw new FilerError('name-taken', 'anna is taken: choose another name');
    },
  });
  const error = await failureOf(pair.near.request({ type: 'enrol' }));
  expect(error.code).toBe('name-taken');
  expect(error.message).toContain('"anna is taken: choose another name"');
  expect((await pair.near.request({ type: 'fine' })).header['of']).toBe('fine');
});

test('an error code that this version does not know is a refusal', async () => {
  await using pair = await sessions({ far: () => ({ header: { type: 'error', code: 'new-in-2030' } }) });
  const error = await failureOf(pair.near.request({ type: 'a' }));
  expect(error.code).toBe('refused');
  expect(error.message).toContain('gave no reason');
});

test('an unknown type is answered `unsupported` when it is a question, else dropped', async () => {
  await using pair = await sessions({
    far: ({ header }) => {
      throw unsupported(header);
    },
  });
  await pair.near.notify({ type: 'dance' });
  const error = await failureOf(pair.near.request({ type: 'sing' }));
  expect(error.code).toBe('unsupported');
  expect(error.message).toContain('sing');
  expect(pair.near.messenger.open).toBe(true);
});

test('a side that serves nothing says so', async () => {
  await using pair = await sessions();
  expect((await failureOf(pair.near.request({ type: 'a' }))).code).toBe('unsupported');
});

test('an answer that no one asked for is dropped', async () => {
  await using pair = await sessions({ far: echo });
  await pair.far.notify({ type: 'echo', re: '99' });
  await pair.far.notify({ type: 'error', re: '99', code: 'refused' });
  expect((await pair.near.request({ type: 'a' })).header['of']).toBe('a');
});

test('a request that no one answers ends after its time', async () => {
  await using pair = await sessions({ far: () => undefined });
  const error = await failureOf(pair.near.request({ type: 'report' }, undefined, { timeoutMs: 30 }));
  expect(error.code).toBe('timed-out');
  expect(error.message).toMatch(/^127\.0\.0\.1:\d+ did not answer report within 0\.03 s$/);
});

test.each([1e12, Infinity])('a time-out of %d ms does not end at once', async (timeoutMs) => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  await using pair = await sessions({ far: (message) => promise.then(() => echo(message, pair.far)) });
  const asked = pair.near.request({ type: 'a' }, undefined, { timeoutMs });
  setTimeout(resolve, 20, undefined);
  expect((await asked).header['of']).toBe('a');
});

test('a request that is aborted ends with the reason, and a late answer is dropped', async () => {
  await using pair = await sessions({ far: () => undefined });
  const controller = new AbortController();
  const asked = pair.near.request({ type: 'a' }, undefined, { signal: controller.signal });
  controller.abort(new FilerError('interrupted', 'stopped by Ctrl-C'));
  expect((await failureOf(asked)).code).toBe('interrupted');
  await pair.far.notify({ type: 'echo', re: '1' });
  expect(
    (await failureOf(pair.near.request({ type: 'b' }, undefined, { signal: controller.signal }))).code,
  ).toBe('interrupted');
});

test('what waits for an answer fails when the connection ends', async () => {
  await using pair = await sessions({ far: () => undefined });
  const asked = failureOf(pair.near.request({ type: 'a' }, undefined, { timeoutMs: Infinity }));
  const stream = failureOf(collect(pair.near.requestStream({ type: 'b' })));
  await until(() => pair.far.messenger.recvTime > 0);
  pair.far.messenger.destroy();
  expect((await asked).code).toBe('connection-closed');
  expect((await stream).code).toBe('connection-closed');
  expect((await failureOf(pair.near.request({ type: 'c' }))).code).toBe('connection-closed');
});

test('an error that answers nothing is the other side’s last word', async () => {
  await using pair = await sessions();
  pair.far.messenger.reject(new FilerError('removed', 'this peer was removed'));
  expect(await pair.near.closed).toMatchObject({
    code: 'removed',
    message: expect.stringContaining('"this peer was removed"') as string,
  });
});

test('messages that came before the end are served, and `closed` waits for it', async () => {
  const served: (string | undefined)[] = [];
  await using pair = await sessions({
    far: async ({ header }) => {
      await new Promise((resolve) => setImmediate(resolve));
      served.push(header['type']);
      return undefined;
    },
  });
  await Promise.all(['a', 'b', 'goodbye'].map((type) => pair.near.notify({ type })));
  await pair.near.close();
  expect(await pair.far.closed).toBeUndefined();
  expect(served).toEqual(['a', 'b', 'goodbye']);
});

test('a reply that cannot be laid out is told instead of leaving the asker to wait', async () => {
  await using pair = await sessions({ far: () => ({ header: { type: 'ok', Bad: 'key' } }) });
  expect((await failureOf(pair.near.request({ type: 'a' }))).code).toBe('frame-malformed');
});

test('a bug in a handler ends the session, and is not hidden', async () => {
  const bug = new TypeError('undefined is not a function');
  await using pair = await sessions({
    far: () => {
      throw bug;
    },
  });
  const closed = pair.far.closed.catch((error: unknown) => error);
  expect((await failureOf(pair.near.request({ type: 'a' }))).code).toBe('connection-closed');
  expect(await closed).toBe(bug);
  expect((await pair.far.messenger.closed)?.code).toBe('internal');
});

test('a peer that asks faster than it is served is held back', async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  await using pair = await sessions({ far: () => promise });
  const frame = encodeFrame({ type: 'ask' }, Buffer.alloc(64 * 1024));
  let written = 0;
  const socket = pair.near.messenger.socket;
  const total = 64 * 1024 * 1024;
  const writing = (async () => {
    for (; written < total; written += frame.length) {
      await new Promise((done) => socket.write(frame, done));
    }
  })();
  await until(() => pair.far.messenger.socket.isPaused());
  expect(pair.far.messenger.receivedBytes).toBeLessThan(16 * 1024 * 1024);
  resolve(undefined);
  await writing;
});

describe('a stream of answers', () => {
  const counting: Handler = async ({ header }, session) => {
    const re = header['id'] ?? '';
    const count = Number(header['count']);
    for (let index = 0; index < count; index++) {
      await session.notify({ type: 'item', re, number: String(index), more: '1' }, Buffer.alloc(100_000));
    }
    return { header: { type: 'done' } };
  };

  test('ends with the answer that does not promise more', async () => {
    await using pair = await sessions({ far: counting });
    const answers: Message[] = [];
    for await (const answer of pair.near.requestStream({ type: 'count', count: '3' })) answers.push(answer);
    expect(answers.map(({ header }) => header['number'] ?? header['type'])).toEqual(['0', '1', '2', 'done']);
  });

  test('throws the error that ends it, after what came before', async () => {
    await using pair = await sessions({
      far: async ({ header }, session) => {
        await session.notify({ type: 'item', re: header['id'] ?? '', more: '1' });
        throw new FilerError('internal', 'the store is gone');
      },
    });
    const stream = pair.near.requestStream({ type: 'list' });
    expect((await stream.next()).done).toBe(false);
    expect((await failureOf(stream.next())).code).toBe('internal');
  });

  test('may be left, and the session continues', async () => {
    await using pair = await sessions({ far: counting });
    for await (const { header } of pair.near.requestStream({ type: 'count', count: '500' })) {
      if (header['number'] === '2') break;
    }
    const [answer] = await collect(pair.near.requestStream({ type: 'count', count: '0' }));
    expect(answer?.header['type']).toBe('done');
  });

  test('may be aborted', async () => {
    await using pair = await sessions({ far: () => undefined });
    const controller = new AbortController();
    const all = collect(pair.near.requestStream({ type: 'a' }, undefined, { signal: controller.signal }));
    controller.abort(new FilerError('interrupted', 'stopped'));
    expect((await failureOf(all)).code).toBe('interrupted');
  });

  test('that is read slowly holds its sender back', async () => {
    await using pair = await sessions({ far: counting });
    const stream = pair.near.requestStream({ type: 'count', count: '500' });
    await stream.next();
    await until(() => pair.near.messenger.socket.isPaused());
    expect(pair.near.messenger.receivedBytes).toBeLessThan(16 * 1024 * 1024);
    let items = 1;
    for await (const { header } of stream) if (header['type'] === 'item') items++;
    expect(items).toBe(500);
  });
});

test('a session is closed twice without harm', async () => {
  await using pair = await sessions();
  const closing: Promise<unknown>[] = [pair.near.close(), pair.near.close()];
  await Promise.all(closing);
  expect(await pair.near.closed).toBeUndefined();
  expect(await pair.far.closed).toBeUndefined();
  const { messenger }: { messenger: Messenger } = pair.near;
  expect(messenger.open).toBe(false);
});
