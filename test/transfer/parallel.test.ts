import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  encodeFrame,
  FilerError,
  MAX_PARALLEL_OPENED,
  MAX_SEGMENT_BYTES,
  openParallelMessage,
  parallelMessage,
  segmentHereMessage,
  segmentMessage,
  type Message,
  type Messenger,
} from '@filer/protocol';
import {
  ParallelReceiving,
  ParallelSending,
  receiveFiles,
  sendFiles,
  type SendOptions,
} from '@filer/transfer';
import { connected, receiveOptions, sendOptions, twoEnds, type TwoEnds } from './two-ends.ts';

const TOKEN = 'A'.repeat(43);

/** Two ends whose channels may use further connections. The sender gives their number. */
async function parallelEnds(connections: number) {
  const { dialler, accepter } = await connected();
  const sending = new ParallelSending(dialler, {
    most: 16,
    token: TOKEN,
    count: () => ({ wanted: connections, look: () => undefined }),
  });
  const open = () => Promise.reject(new FilerError('connect-failed', 'no more in this test'));
  const receiving = new ParallelReceiving(accepter, { most: 16, open });
  /** The sender's ends of those that were opened, and the receiver's. */
  const further: { readonly from: Messenger; readonly to: Messenger }[] = [];
  for (let n = 0; n < connections; n++) {
    const { dialler: from, accepter: to } = await connected();
    sending.add(from);
    receiving.add(to);
    further.push({ from, to });
  }
  return { first: { from: dialler, to: accepter }, sending, receiving, further };
}

type Ends = Awaited<ReturnType<typeof parallelEnds>>;

async function send(
  ends: TwoEnds,
  { first, sending, receiving }: Ends,
  files: readonly string[],
  options: Partial<SendOptions> = {},
) {
  const [sent, received] = await Promise.all([
    sendFiles(sending, sendOptions(ends, files, options)),
    receiveFiles(receiving, receiveOptions(ends)),
  ]);
  await Promise.all([first.from.close(), first.to.close()]);
  return { sent, received };
}

/** The sender's end of one that was opened. */
function fromOf(further: Ends['further'], n: number): Messenger {
  const found = further[n];
  if (found === undefined) throw new Error(`there is no connection ${n}`);
  return found.from;
}

const bytesOn = (ends: Ends): number[] => ends.further.map(({ to }) => to.receivedBytes);

describe('a transfer over several connections', () => {
  test('large and small files, in folders, arrive byte for byte', async () => {
    const ends = await twoEnds();
    const large = randomBytes(9_000_001);
    await mkdir(join(ends.home, 'many'));
    await writeFile(join(ends.home, 'large.bin'), large);
    await writeFile(join(ends.home, 'empty'), '');
    for (let n = 0; n < 40; n++) await writeFile(join(ends.home, 'many', `${n}`), randomBytes(8_000 + n));
    const parallel = await parallelEnds(3);
    const { sent, received } = await send(ends, parallel, ['large.bin', 'empty', 'many']);
    expect(sent).toMatchObject({ ok: true, filesDelivered: 42 });
    expect(received.error).toBeUndefined();
    expect((await readFile(join(ends.inbox, 'alice', 'large.bin'))).equals(large)).toBe(true);
    for (let n = 0; n < 40; n++)
      expect(await readFile(join(ends.inbox, 'alice', 'many', `${n}`))).toEqual(
        await readFile(join(ends.home, 'many', `${n}`)),
      );
    for (const bytes of bytesOn(parallel)) expect(bytes).toBeGreaterThan(500_000);
    // What is not bulk stays where nothing is before it.
    expect(parallel.first.to.receivedBytes).toBeLessThan(100_000);
  });

  test('all end with the first one', async () => {
    const ends = await twoEnds();
    await writeFile(join(ends.home, 'a'), randomBytes(2_000_000));
    const parallel = await parallelEnds(2);
    await send(ends, parallel, ['a']);
    for (const { from, to } of parallel.further) {
      expect(await from.closed).toBeUndefined();
      expect(await to.closed).toBeUndefined();
    }
  });

  test.each([1, 2])('%d of two that are cut cost nothing but what was on them', async (cuts) => {
    const ends = await twoEnds();
    const content = randomBytes(12_000_000);
    await writeFile(join(ends.home, 'a'), content);
    const parallel = await parallelEnds(2);
    let isCut = false;
    const { sent } = await send(ends, parallel, ['a'], {
      on: (event) => {
        if (isCut || event.type !== 'progress' || event.bytesSent < 4_000_000) return;
        isCut = true;
        for (const { from } of parallel.further.slice(0, cuts)) from.destroy();
      },
    });
    expect(isCut).toBe(true);
    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    expect((await readFile(join(ends.inbox, 'alice', 'a'))).equals(content)).toBe(true);
  });

  test('where the first one is lost, so is the transfer', async () => {
    const ends = await twoEnds();
    await writeFile(join(ends.home, 'a'), randomBytes(12_000_000));
    const parallel = await parallelEnds(2);
    const { sent, received } = await send(ends, parallel, ['a'], {
      on: (event) => {
        if (event.type === 'progress' && event.bytesSent > 4_000_000) parallel.first.from.destroy();
      },
    });
    expect(sent.error?.code).toBe('connection-closed');
    expect(received.error?.code).toBe('connection-closed');
    for (const { to } of parallel.further) await to.closed;
  });

  test('why a sender stopped is told behind segments that do not come', async () => {
    const { dialler, accepter } = await connected();
    const receiving = new ParallelReceiving(accepter, { most: 16, token: TOKEN });
    await say(dialler, segmentHereMessage.format({ n: 0, bytes: 100 }));
    dialler.reject(new FilerError('source-changed', 'another file'));
    expect((await all(receiving)).map(({ header }) => header['code'])).toEqual(['source-changed']);
  });

  test('what goes over the first one alone waits for no clock', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const ends = await twoEnds();
    await writeFile(join(ends.home, 'a'), randomBytes(8_000_000));
    const { sent } = await send(ends, await parallelEnds(0), ['a']);
    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  });

  test('a limit is that of the sum', async () => {
    const ends = await twoEnds();
    await writeFile(join(ends.home, 'a'), randomBytes(3_000_000));
    const taken: number[] = [];
    const limit = { pieceBytes: 64 * 1024, take: (bytes: number) => (taken.push(bytes), Promise.resolve()) };
    const { sent } = await send(ends, await parallelEnds(3), ['a'], { limit });
    expect(sent.error).toBeUndefined();
    expect(taken.reduce((sum, bytes) => sum + bytes, 0)).toBe(3_000_000);
  });
});

const say = (to: Messenger, { header, content }: Message): Promise<void> => to.send(header, content);

async function all(messages: AsyncIterable<Message>): Promise<Message[]> {
  const found: Message[] = [];
  for await (const message of messages) found.push(message);
  return found;
}

const word = (text: string): Message => ({ header: { type: 'word', text }, content: Buffer.alloc(0) });
const frameOf = ({ header, content }: Message): Buffer => encodeFrame(header, content);
const here = (n: number, frames: Buffer): Message => segmentHereMessage.format({ n, bytes: frames.length });
const segment = (n: number, content: Buffer): Message => segmentMessage.format({ n, content });

describe('the order of messages', () => {
  test('is that of the first connection, whatever comes first', async () => {
    const { first, further, receiving } = await parallelEnds(2);
    const [a, b] = [Buffer.concat([word('2'), word('3')].map(frameOf)), frameOf(word('5'))];
    await say(fromOf(further, 1), segment(1, b));
    for (const message of [word('1'), here(0, a), word('4'), here(1, b), word('6')])
      await say(first.from, message);
    await say(fromOf(further, 0), segment(0, a));
    const texts: (string | undefined)[] = [];
    for await (const { header } of receiving) {
      texts.push(header['text']);
      if (texts.length === 6) break;
    }
    expect(texts).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  test('a segment that comes twice counts once', async () => {
    const { first, further, receiving } = await parallelEnds(2);
    const frames = frameOf(word('1'));
    for (const message of [here(0, frames), word('2')]) await say(first.from, message);
    for (const { from } of further) await say(from, segment(0, frames));
    const texts: (string | undefined)[] = [];
    for await (const { header } of receiving) {
      texts.push(header['text']);
      if (texts.length === 2) await say(fromOf(further, 0), segment(0, frames));
      if (texts.length === 2) await first.from.close();
    }
    expect(texts).toEqual(['1', '2']);
  });
});

test('a sender that was dialled has the receiver open them', async () => {
  const ends = await twoEnds();
  const content = randomBytes(4_000_000);
  await writeFile(join(ends.home, 'a'), content);
  const { dialler, accepter } = await connected();
  const both = Promise.withResolvers<void>();
  const opened: Messenger[] = [];
  const said: unknown[] = [];
  const sending = new ParallelSending(accepter, {
    most: 2,
    token: TOKEN,
    count: () => ({ wanted: 2, look: () => undefined }),
  });
  const receiving = new ParallelReceiving(dialler, {
    most: 2,
    open: async () => {
      const { dialler: here, accepter: there } = await connected();
      void there.peek().then((first) => {
        said.push(first?.header);
        sending.add(there);
        if (opened.push(here) === 2) both.resolve();
      });
      return here;
    },
  });
  const limit = { pieceBytes: 256 * 1024, take: () => both.promise };
  const parallel = { first: { from: accepter, to: dialler }, sending, receiving, further: [] };
  const { sent } = await send(ends, parallel, ['a'], { limit });
  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  const word = { type: 'parallel-of', token: TOKEN };
  expect(said).toEqual([word, word]);
  for (const each of opened) expect(each.receivedBytes).toBeGreaterThan(300_000);
});

test('a sender that asks for connections again and again has so many tries of this side, and no more', async () => {
  const { dialler, accepter } = await connected();
  let tries = 0;
  const open = () => {
    tries++;
    return Promise.reject(new FilerError('connect-failed', 'not from here'));
  };
  const receiving = new ParallelReceiving(accepter, { most: 16, open });
  const came = all(receiving);
  await say(dialler, parallelMessage.format({ token: TOKEN }));
  for (let n = 0; n < MAX_PARALLEL_OPENED; n++)
    await say(dialler, openParallelMessage.format({ connections: 16 }));
  await dialler.close();
  await came;

  expect(tries).toBe(MAX_PARALLEL_OPENED);
});

describe('what a sender may not do', () => {
  test.each<readonly [string, readonly Message[], string]>([
    ['a segment out of its number', [here(1, Buffer.alloc(9))], 'unexpected-message'],
    [
      'a segment on the first one that was not announced',
      [segment(0, Buffer.alloc(9))],
      'unexpected-message',
    ],
    ['one that is too large', [here(0, Buffer.alloc(MAX_SEGMENT_BYTES + 1))], 'message-malformed'],
    [
      'one of no bytes',
      [{ header: { type: 'segment-here', n: '0', bytes: '0' }, content: Buffer.alloc(0) }],
      'message-malformed',
    ],
    [
      'one that ends inside a message',
      [here(0, Buffer.alloc(9, 1)), segment(0, Buffer.alloc(9).fill(2, 7))],
      'message-malformed',
    ],
    [
      'one of other bytes than announced',
      [here(0, Buffer.alloc(9)), segment(0, Buffer.alloc(8))],
      'unexpected-message',
    ],
    [
      'connections to be opened where it has dialled',
      [openParallelMessage.format({ connections: 2 })],
      'unexpected-message',
    ],
    [
      'a token that is none',
      [{ header: { type: 'parallel', token: 'x' }, content: Buffer.alloc(0) }],
      'message-malformed',
    ],
    [
      'announcing without end',
      Array.from({ length: 40 }, (_, n) => here(n, Buffer.alloc(MAX_SEGMENT_BYTES))),
      'unexpected-message',
    ],
  ])('%s', async (_, messages, code) => {
    const { dialler, accepter } = await connected();
    const receiving = new ParallelReceiving(accepter, { most: 16, token: TOKEN });
    for (const message of messages) await say(dialler, message);
    await expect(all(receiving)).rejects.toMatchObject({ code });
  });

  test('a further connection that lies ends, and the transfer does not', async () => {
    const { first, further, receiving } = await parallelEnds(3);
    const frames = frameOf(word('1'));
    await say(first.from, here(0, frames));
    const reading = all(receiving);
    await say(fromOf(further, 0), segment(0, Buffer.concat([frames, frames])));
    await say(fromOf(further, 1), word('nothing of a transfer'));
    expect(await lastCode(fromOf(further, 0))).toBe('unexpected-message');
    expect(await lastCode(fromOf(further, 1))).toBe('unexpected-message');
    await say(fromOf(further, 2), segment(0, frames));
    await say(first.from, word('2'));
    await first.from.close();
    expect((await reading).map(({ header }) => header['text'])).toEqual(['1', '2']);
  });

  test('asking for ever more connections opens no more than it may', async () => {
    const { dialler, accepter } = await connected();
    let opened = 0;
    const receiving = new ParallelReceiving(accepter, {
      most: 3,
      open: async () => {
        opened++;
        return (await connected()).dialler;
      },
    });
    await say(dialler, parallelMessage.format({ token: TOKEN }));
    for (let n = 0; n < 20; n++) await say(dialler, openParallelMessage.format({ connections: 16 }));
    await say(dialler, word('1'));
    for await (const { header } of receiving) if (header['text'] === '1') break;
    expect(opened).toBe(3);
  });
});

async function lastCode(messenger: Messenger): Promise<string | undefined> {
  await messenger.closed;
  return messenger.lastWord?.['code'];
}

test('while others take of the same uplink no further connections are opened, and then they are', async () => {
  const { dialler, accepter } = await connected();
  const asked = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<boolean>();
  let looks = 0;
  let isShared = true;
  const receiving = new ParallelReceiving(accepter, { most: 4, token: TOKEN });
  const sending = new ParallelSending(dialler, {
    most: 4,
    open: () => {
      opened.resolve(isShared);
      return Promise.reject(new FilerError('connect-failed', 'no more in this test'));
    },
    sharesUplink: () => {
      if (++looks === 3) asked.resolve();
      return isShared;
    },
    count: () => ({ wanted: 4, look: () => undefined }),
  });
  void (async () => {
    for await (const _ of receiving);
  })();
  void (async () => {
    for await (const _ of sending);
  })();

  await asked.promise;
  isShared = false;

  expect(await opened.promise).toBe(false);
  await dialler.close();
});
