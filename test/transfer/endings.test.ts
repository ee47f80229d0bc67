import { randomBytes } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FilerError } from '@filer/protocol';
import { receiveFiles, sendFiles, type ReceiveEvent, type SendEvent } from '@filer/transfer';
import { withReceiver, withSender } from './by-hand.ts';
import { connected, receiveOptions, sendOptions, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const BYTES = 8 * 1024 * 1024;

async function withLargeFile(): Promise<TwoEnds> {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), randomBytes(BYTES));
  return ends;
}

/** Calls `act` once, when a quarter of the file has passed. */
function atAQuarter(act: () => void): (event: SendEvent | ReceiveEvent) => void {
  let acted = false;
  return (event) => {
    if (event.type !== 'progress' || acted || event.fileBytes < BYTES / 4) return;
    acted = true;
    act();
  };
}

describe('a connection that is cut in the middle ends both sides, with no part and no final name:', () => {
  test.each(['sender', 'receiver'] as const)('by the %s', async (side) => {
    const ends = await withLargeFile();
    const { dialler, accepter } = await connected();
    const cut = atAQuarter(() => (side === 'sender' ? dialler : accepter).socket.destroy());

    const [sent, received] = await Promise.all([
      sendFiles(dialler, sendOptions(ends, ['a'], side === 'sender' ? { on: cut } : {})),
      receiveFiles(accepter, receiveOptions(ends, side === 'receiver' ? { on: cut } : {})),
    ]);

    expect(sent).toMatchObject({ ok: false, filesFailed: 1 });
    expect(sent.error?.code).toBe('connection-closed');
    expect(received).toMatchObject({ ok: false, filesFailed: 1 });
    expect(received.error?.code).toBe('connection-closed');
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
  });
});

describe('an aborted signal ends both sides, with no part and no final name:', () => {
  test.each(['send', 'receive'] as const)('of the side that %ss', async (side) => {
    const ends = await withLargeFile();
    const stop = new AbortController();
    const on = atAQuarter(() => stop.abort(new FilerError('terminated', 'the program is ending')));

    const { sent, received } = await transfer(ends, ['a'], { [side]: { on, signal: stop.signal } });

    const [own, other] = side === 'send' ? [sent, received] : [received, sent];
    expect(own.error?.code).toBe('terminated');
    expect(other.error?.code).toBe('connection-closed');
    expect(sent).toMatchObject({ ok: false, filesFailed: 1 });
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
  });

  test('before anything began', async () => {
    const ends = await withLargeFile();

    const { sent, received } = await transfer(ends, ['a'], { send: { signal: AbortSignal.abort() } });

    expect(sent.error?.code).toBe('interrupted');
    expect(received).toMatchObject({ ok: false, job: undefined });
  });
});

test('files that were whole before the cut stay and have their receipts', async () => {
  const ends = await withLargeFile();
  await writeFile(join(ends.home, 'first'), 'small');
  const { dialler, accepter } = await connected();
  const on = (event: SendEvent): void => {
    if (event.type === 'file' && event.result.name === 'first') accepter.socket.destroy();
  };
  // The rest waits until the first has its receipt, so that the cut always comes between them.
  const record = async (): Promise<void> => {
    await accepter.closed;
  };
  let files = 0;
  const [sent, received] = await Promise.all([
    sendFiles(dialler, sendOptions(ends, ['first', 'a'], { on })),
    receiveFiles(accepter, receiveOptions(ends, { record: () => (files++ === 0 ? undefined : record()) })),
  ]);

  expect(sent.files.find(({ name }) => name === 'first')).toMatchObject({ status: 'delivered' });
  expect(received.files.find(({ name }) => name === 'first')).toMatchObject({ status: 'delivered' });
  expect(await readdir(join(ends.inbox, 'alice'))).toContain('first');
});

describe('a transfer that stands still is ended as timed-out:', () => {
  test('a sender that stops sending', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends, { stallMs: 500 });
    await hand.offer({ a: 10 });
    await hand.file(0, 10);

    expect((await hand.hear('error'))?.header['code']).toBe('timed-out');
    expect((await outcome).error?.code).toBe('timed-out');
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
  });

  test('a sender that says nothing but what the receiver does not know', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends, { stallMs: 300 });
    await hand.offer({ a: 10 });

    let code: string | undefined = 'unsupported';
    while (code === 'unsupported') {
      await hand.say({ type: 'pocus', id: '77' }).catch(() => undefined); // the receiver may be gone
      code = (await hand.hear('error'))?.header['code'];
    }

    expect(code).toBe('timed-out');
    expect((await outcome).error?.code).toBe('timed-out');
  });

  test('a sender that works forever', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends, { stallMs: 300, maxWorkingMs: 600 });
    await hand.offer({ a: 10 });

    let code: string | undefined = 'unsupported';
    while (code === 'unsupported') {
      await hand.say({ type: 'working' }).catch(() => undefined);
      await hand.say({ type: 'pocus', id: '77' }).catch(() => undefined);
      code = (await hand.hear('error'))?.header['code'];
    }

    expect(code).toBe('timed-out');
    expect((await outcome).error?.code).toBe('timed-out');
  });

  test('a receiver that does not answer', async () => {
    const ends = await withLargeFile();
    const { hand, outcome } = await withSender(ends, ['a'], { stallMs: 100 });
    await hand.hear('offer');

    expect((await outcome).error?.code).toBe('timed-out');
  });

  test('a receiver that stops reading', async () => {
    const ends = await withLargeFile();
    await writeFile(join(ends.home, 'a'), randomBytes(4 * BYTES));
    const { hand, outcome } = await withSender(ends, ['a'], { stallMs: 200 });
    const offer = await hand.hear('offer');
    await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
    const entries = await hand.hear('entries');
    hand.messenger.socket.pause();
    await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);

    expect((await outcome).error?.code).toBe('timed-out');
  });
});

describe('a receiver that takes nothing more cannot hold a sender with', () => {
  const words: [string, Record<string, string>][] = [
    ['what was taken already', { type: 'got', entry: '0', offset: '1048576' }],
    ['what was never sent', { type: 'got', entry: '0', offset: '9007199254740991' }],
    ['what the sender does not know', { type: 'pocus' }],
    ['work forever', { type: 'working' }],
  ];
  test.each(words)('%s', async (_, header) => {
    const ends = await withLargeFile();
    await writeFile(join(ends.home, 'a'), randomBytes(4 * BYTES));
    const { hand, outcome } = await withSender(ends, ['a'], { stallMs: 300, maxWorkingMs: 600 });
    const offer = await hand.hear('offer');
    await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
    const entries = await hand.hear('entries');
    await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);
    let over = false;
    void outcome.then(() => (over = true));
    void hand.hear('done'); // reads all that comes

    while (!over) {
      await hand.say(header).catch(() => undefined); // the sender may be gone
      await new Promise((resolve) => setImmediate(resolve));
    }

    expect((await outcome).error?.code).toBe('timed-out');
  });
});

test('a person who thinks longer than the stall limit is waited for', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'content');
  const decided = Promise.withResolvers<undefined>();
  let announced = 0;
  const { dialler, accepter } = await connected();
  const watched = {
    send: async (...message: Parameters<typeof accepter.send>) => {
      await accepter.send(...message);
      // Six announcements take longer than the stall limit.
      if (message[0]['type'] === 'working' && ++announced === 6) decided.resolve(undefined);
    },
    reject: (error: FilerError) => accepter.reject(error),
    closed: accepter.closed,
    [Symbol.asyncIterator]: () => accepter[Symbol.asyncIterator](),
  };
  const pace = { stallMs: 1000, workingEveryMs: 200 };

  const [sent] = await Promise.all([
    sendFiles(dialler, sendOptions(ends, ['a'], pace)),
    receiveFiles(watched, receiveOptions(ends, { ...pace, policy: { accept: () => decided.promise } })),
  ]);

  expect(sent.ok).toBe(true);
});

describe('the receive policy', () => {
  test('a declined offer fails every file with the code of the refusal and leaves the connection open', async () => {
    const ends = await withLargeFile();
    const { dialler, accepter } = await connected();
    const accept = (): never => {
      throw new FilerError('declined', 'bob declined the files');
    };

    const [sent, received] = await Promise.all([
      sendFiles(dialler, sendOptions(ends, ['a'])),
      receiveFiles(accepter, receiveOptions(ends, { policy: { accept } })),
    ]);

    expect(sent).toMatchObject({
      ok: false,
      bytesSent: 0,
      files: [{ code: 'declined', message: expect.stringContaining('"bob declined the files"') as string }],
    });
    expect(received.error?.code).toBe('declined');
    expect(dialler.open).toBe(true);
    expect(accepter.open).toBe(true);
  });

  test('an offer that is declined leaves no folder behind', async () => {
    const ends = await withLargeFile();
    const accept = (): never => {
      throw new FilerError('declined', 'bob declined the files');
    };

    const { sent } = await transfer(ends, ['a'], { receive: { policy: { accept } } });

    expect(sent.error?.code).toBe('declined');
    expect(await readdir(ends.home)).toEqual(['a']);
  });

  test('a file above the largest size is refused before its first byte, the others arrive', async () => {
    const ends = await withLargeFile();
    await writeFile(join(ends.home, 'b'), 'x'.repeat(10));

    const { sent } = await transfer(ends, ['a', 'b'], { receive: { policy: { maxFileBytes: 10 } } });

    expect(sent).toMatchObject({ filesDelivered: 1, filesFailed: 1, bytesSent: 10 });
    expect(sent.files.find(({ name }) => name === 'a')?.code).toBe('too-large');
  });

  test('where the offer is the cap, what goes beyond it is refused', async () => {
    const ends = await twoEnds();
    const { hand } = await withReceiver(ends, {
      policy: { accept: ({ files, bytes }) => ({ files, bytes }) },
    });
    await hand.say(
      { type: 'offer', id: 'o', job: 'j', complete: '1', files: '2', bytes: '10' },
      { names: [] },
    );
    await hand.hear('answer');

    const entry = { kind: 'file', mtimeNs: '0', mode: 0 };
    await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [
      { ...entry, path: 'a', size: 6 },
      { ...entry, path: 'b', size: 6 },
      { ...entry, path: 'c', size: 4 },
      { ...entry, path: 'd', size: 0 },
    ]);

    const answers = JSON.parse((await hand.hear('entries-answer'))?.content.toString() ?? '') as {
      answer: string;
    }[];
    expect(answers.map(({ answer }) => answer)).toEqual(['want', 'refused', 'want', 'refused']);
  });
});
