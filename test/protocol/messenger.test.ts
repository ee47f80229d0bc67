import { describe, expect, test } from 'vitest';
import { FilerError, Messenger, encodeFrame, parseJson, type Message } from '@filer/protocol';
import { TCP, collect, connect, gone, nextOf, until } from './wires.ts';

const types = async (messages: AsyncIterable<Message>): Promise<(string | undefined)[]> => {
  const all: (string | undefined)[] = [];
  for await (const { header } of messages) all.push(header['type']);
  return all;
};

test('a messenger is named by where its other side is', async () => {
  await using pair = await connect(TCP);
  expect(pair.near.addr).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(pair.near.id).toMatch(/^[0-9a-f]{16}$/);
  expect(pair.near.id).not.toBe(pair.far.id);
});

test('a broken frame gets one error message with its code, and the connection closes', async () => {
  await using pair = await connect(TCP);
  pair.near.socket.write(
    Buffer.concat([encodeFrame({ type: 'good' }), Buffer.alloc(8, 255), encodeFrame({})]),
  );
  const [answer, ...more] = await collect(pair.near);
  expect({ ...answer?.header }).toEqual({
    type: 'error',
    code: 'frame-too-large',
    message: expect.stringMatching(/4294967295.* 65536/) as string,
  });
  expect(more).toEqual([]);
  expect(await types(pair.far)).toEqual(['good']);
  expect((await pair.far.closed)?.code).toBe('frame-too-large');
  expect(await pair.near.closed).toBeUndefined();
});

test('after a broken frame nothing that still comes is read', async () => {
  await using pair = await connect(TCP);
  pair.near.socket.write(Buffer.alloc(8, 255));
  const closed = pair.far.closed;
  await until(() => !pair.far.open);
  pair.near.socket.write(encodeFrame({ type: 'late' }));
  expect(await types(pair.far)).toEqual([]);
  expect((await closed)?.code).toBe('frame-too-large');
});

test('an error whose words quote hostile bytes still reaches the other side', async () => {
  await using pair = await connect(TCP);
  const words = `${'x'.repeat(70_000)}`;
  pair.far.reject(new FilerError('message-malformed', `${words.slice(0, 999)}\u{1f642}${words}`));
  const { header } = await nextOf(pair.near);
  expect(header['code']).toBe('message-malformed');
  expect(header['message']).toHaveLength(1_000);
  expect(header['message']?.isWellFormed()).toBe(true);
});

test('whatever content is not JSON, the refusal can be sent', async () => {
  await using pair = await connect(TCP);
  for (const text of [
    '\u{1f642}'.repeat(40),
    `{"a":"${'\u{1f642}'.repeat(9)}`,
    '\u0000\u001b[31m',
    '"'.repeat(99),
  ]) {
    const error = refusalOf(Buffer.from(text));
    await pair.far.send({ type: 'error', code: error.code, message: error.message.toWellFormed() });
    expect((await nextOf(pair.near)).header['code']).toBe('message-malformed');
  }
});

function refusalOf(content: Buffer): FilerError {
  try {
    parseJson(content, 'report', 1_000);
  } catch (error) {
    if (error instanceof FilerError) return error;
  }
  throw new Error('this was read');
}

test('a message that no receiver would take is not sent, and the connection stays', async () => {
  await using pair = await connect(TCP);
  await expect(pair.near.send({ Type: 'a' })).rejects.toMatchObject({ code: 'frame-malformed' });
  await expect(pair.near.send({ type: 'a' }, Buffer.alloc(16 * 1024 * 1024 + 1))).rejects.toMatchObject({
    code: 'frame-too-large',
  });
  await pair.near.send({ type: 'fine' });
  expect((await nextOf(pair.far)).header['type']).toBe('fine');
});

test('a send is settled when the bytes were handed over, in order', async () => {
  await using pair = await connect(TCP);
  const order: string[] = [];
  await Promise.all(
    ['a', 'b', 'c'].map((type, index) =>
      pair.near.send({ type }, Buffer.alloc(index * 40_000)).then(() => order.push(type)),
    ),
  );
  expect(order).toEqual(['a', 'b', 'c']);
  expect(pair.near.waitingBytes).toBe(0);
  for (const type of order) expect((await nextOf(pair.far)).header['type']).toBe(type);
});

test('for how long the other side has taken nothing is known, also after the end', async () => {
  await using pair = await connect(TCP);
  expect(pair.near.stuckMs).toBe(0);
  await pair.near.send({ type: 'taken' });
  expect(pair.near.stuckMs).toBe(0);
  pair.far.socket.pause();
  const sent = pair.near.send({ type: 'bulk' }, Buffer.alloc(16 * 1024 * 1024)).catch(() => undefined);
  await until(() => pair.near.stuckMs > 1);
  pair.near.destroy();
  await sent;
  await pair.near.closed;
  expect(pair.near.stuckMs).toBeGreaterThan(1);
  expect(pair.near.stuckMs).toBe(pair.near.stuckMs);
});

test('frames that are laid out go in one piece, between the messages before and after them', async () => {
  await using pair = await connect(TCP);
  const frames = Buffer.concat([encodeFrame({ type: 'b' }, Buffer.from('x')), encodeFrame({ type: 'c' })]);
  const sent = [
    pair.near.send({ type: 'a' }),
    pair.near.sendFrames(frames),
    pair.near.send({ type: 'd' }, Buffer.alloc(100_000)),
  ];
  await Promise.all(sent);
  await pair.near.close();

  expect(await types(pair.far)).toEqual(['a', 'b', 'c', 'd']);
  await expect(pair.near.sendFrames(frames)).rejects.toMatchObject({ code: 'connection-closed' });
});

test('leaving the loop closes nothing, and another loop continues with the next message', async () => {
  await using pair = await connect(TCP);
  for (const type of ['a', 'b']) await pair.near.send({ type });
  for await (const { header } of pair.far) {
    expect(header['type']).toBe('a');
    break;
  }
  expect(pair.far.open).toBe(true);
  expect((await nextOf(pair.far)).header['type']).toBe('b');
});

test('a messenger on a socket that is gone already is closed', async () => {
  await using pair = await connect(TCP);
  const { socket } = pair.near;
  socket.destroy();
  await gone(socket);
  const late = new Messenger(socket);
  expect(await late.closed).toBeUndefined();
  expect(late.open).toBe(false);
  expect(await types(late)).toEqual([]);
});

test('destroying gives its reason to the reader that waits', async () => {
  await using pair = await connect(TCP);
  const reason = new FilerError('removed', 'this peer was removed');
  const sending = pair.near.send({ type: 'a' }, Buffer.alloc(16 * 1024 * 1024));
  pair.near.destroy(reason);
  await expect(sending).rejects.toBe(reason);
  expect(await pair.near.closed).toBe(reason);
});

test('a flood of tiny messages to a peer that does not read is bounded by its count too', async () => {
  await using pair = await connect(TCP);
  pair.far.socket.pause();
  const frame = encodeFrame({});
  let posted = 0;
  while (pair.near.post(frame)) posted++;
  expect((await pair.near.closed)?.code).toBe('too-slow');
  expect(posted).toBeLessThan(33_000);
});

test('what is posted is bounded apart from what somebody waits for', async () => {
  await using pair = await connect(TCP);
  const sends = Promise.allSettled(
    Array.from({ length: 4 }, () => pair.near.send({ type: 'chunk' }, Buffer.alloc(1 << 20))),
  );
  const frame = encodeFrame({ type: 'news' }, Buffer.alloc(1_000));
  expect(pair.near.waitingBytes).toBeGreaterThan(10_000);
  expect(pair.near.post(frame, 10_000)).toBe(true);
  for (let index = 0; index < 7; index++) pair.near.post(frame, 10_000);
  expect(pair.near.open).toBe(true);
  expect(pair.near.post(frame, 10_000)).toBe(false);
  expect((await pair.near.closed)?.code).toBe('too-slow');
  await sends;
});

describe('keep-alive', () => {
  const quick = { pingAfterMs: 20, giveUpAfterMs: 100 };

  test('pings through silence, and the pongs keep a silent connection open', async () => {
    await using pair = await connect(TCP, { near: { keepAlive: quick }, far: { keepAlive: true } });
    await until(() => pair.near.receivedBytes >= 10 * encodeFrame({ type: 'pong' }).length);
    expect(pair.near.open).toBe(true);
    await pair.near.send({ type: 'news' });
    expect((await nextOf(pair.far)).header['type']).toBe('news');
  });

  test('gives up on a peer that hears nothing', async () => {
    await using pair = await connect(TCP, { near: { keepAlive: quick } });
    pair.far.socket.pause();
    expect((await pair.near.closed)?.code).toBe('connection-silent');
  });

  test('gives up sooner once it is told to', async () => {
    await using pair = await connect(TCP, { near: { keepAlive: true } });
    pair.far.socket.pause();
    pair.near.startKeepAlive();
    pair.near.startKeepAlive(quick);
    expect((await pair.near.closed)?.code).toBe('connection-silent');
  });

  test('gives up on a peer that neither reads nor lets us read', async () => {
    await using pair = await connect(TCP, { near: { keepAlive: quick } });
    pair.far.socket.pause();
    const sending = pair.near.send({ type: 'chunk' }, Buffer.alloc(16 * 1024 * 1024));
    pair.near.socket.pause();
    await expect(sending).rejects.toMatchObject({ code: 'connection-silent' });
  });

  test('a side that does not read for long neither gives up nor is given up', async () => {
    await using pair = await connect(TCP, { near: { keepAlive: quick }, far: { keepAlive: quick } });
    pair.near.socket.pause();
    const periods = quick.giveUpAfterMs / quick.pingAfterMs;
    const bytes = 2 * periods * encodeFrame({ type: 'ping' }).length;
    await until(() => pair.far.receivedBytes >= bytes || !pair.far.open || !pair.near.open);
    expect([pair.near.open, pair.far.open]).toEqual([true, true]);
  });

  test('leaves `ping` to a program that has not switched it on', async () => {
    await using pair = await connect(TCP);
    await pair.near.send({ type: 'ping' });
    expect((await nextOf(pair.far)).header['type']).toBe('ping');
  });
});
