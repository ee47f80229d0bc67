import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { smallHeader, type Header } from '@filer/protocol';
import { digestsOf, withReceiver, withSender, type Hand } from './by-hand.ts';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const TEN: Buffer = Buffer.from('0123456789');

/** What an honest sender says of these bytes. */
function small(entry: number, content = TEN): Header {
  return smallHeader({ entry, size: content.length, mtimeNs: 0n, mode: 0o640, ...digestsOf(content) });
}

function say(hand: Hand, entry: number, content = TEN, header: Header = {}): Promise<void> {
  return hand.say({ ...small(entry, content), ...header }, content);
}

/** Plays the receiver up to the sender's `done`. @param answer beside `re` @returns the types of what came */
async function heardBy(hand: Hand, answer: Header): Promise<(string | undefined)[]> {
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '', ...answer });
  const entries = await hand.hear('entries');
  const wanted: unknown = JSON.parse(entries?.content.toString() ?? '');
  const answers = Array.isArray(wanted) ? wanted.map(() => ({ answer: 'want' })) : [];
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, answers);
  const heard: (string | undefined)[] = [];
  while (heard.at(-1) !== 'done') heard.push((await hand.hear())?.header['type']);
  return heard;
}

async function withFiles(files: Record<string, Buffer>): Promise<TwoEnds> {
  const ends = await twoEnds();
  for (const [name, content] of Object.entries(files)) await writeFile(join(ends.home, name), content);
  return ends;
}

test('small files go as one message each to a receiver that takes them so, empty ones too', async () => {
  const ends = await withFiles({ a: TEN, b: Buffer.alloc(0), c: Buffer.alloc(128 * 1024 + 1) });
  const { hand } = await withSender(ends, ['a', 'b', 'c']);

  expect(await heardBy(hand, { small: '1' })).toEqual(['small', 'small', 'file', 'chunk', 'end', 'done']);
});

test('a receiver that does not know the message gets streams, as ever', async () => {
  const ends = await withFiles({ a: TEN, b: Buffer.alloc(0) });
  const { hand } = await withSender(ends, ['a', 'b']);

  expect(await heardBy(hand, {})).toEqual(['file', 'chunk', 'end', 'file', 'end', 'done']);
});

test('small files arrive with content, permissions and time, and count what they brought', async () => {
  const ends = await withFiles({ a: TEN, b: Buffer.alloc(0), c: Buffer.alloc(100_000, 'c') });
  await chmod(join(ends.home, 'a'), 0o751);

  const { sent, received } = await transfer(ends, ['a', 'b', 'c']);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 3, bytesSent: 100_010 });
  expect(received).toMatchObject({ ok: true, bytesReceived: 100_010 });
  const there = join(ends.inbox, 'alice');
  for (const name of ['a', 'b', 'c']) {
    expect(await readFile(join(there, name))).toEqual(await readFile(join(ends.home, name)));
    const [from, to] = await Promise.all([stat(join(ends.home, name)), stat(join(there, name))]);
    expect([to.mode, Math.floor(to.mtimeMs)]).toEqual([from.mode, Math.floor(from.mtimeMs)]);
  }
});

test('files around every limit of size arrive whole, in whatever order they come', async () => {
  const KiB = 1024;
  const sizes = [0, 1, 4 * KiB, 32 * KiB - 1, 32 * KiB, 32 * KiB + 1, 128 * KiB, 128 * KiB + 1, 300 * KiB, 7];
  const files: Record<string, Buffer> = {};
  for (let n = 0; n < 60; n++) files[`file ${n}`] = Buffer.alloc(sizes[(n * 7) % sizes.length] ?? 0, `${n} `);
  const ends = await withFiles(files);

  expect((await transfer(ends, Object.keys(files))).sent).toMatchObject({ ok: true, filesDelivered: 60 });

  for (const [name, content] of Object.entries(files)) {
    expect((await readFile(join(ends.inbox, 'alice', name))).equals(content)).toBe(true);
  }
});

test('a small file that changed since it was found goes as it is now', async () => {
  const ends = await withFiles({ a: TEN, b: TEN });
  const { sent } = await transfer(ends, ['a', 'b'], {
    send: { accepted: () => writeFile(join(ends.home, 'b'), 'another content') },
  });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 2 });
  expect(await readFile(join(ends.inbox, 'alice', 'b'), 'utf8')).toBe('another content');
});

describe('a sender that breaks the protocol with a small file hears one error and loses its connection:', () => {
  const rows: [string, string, (hand: Hand) => Promise<void>][] = [
    ['an unknown entry', 'unexpected-message', (hand) => say(hand, 2)],
    [
      'one inside an open stream',
      'unexpected-message',
      async (hand) => {
        await hand.file(0, 10);
        await say(hand, 1);
      },
    ],
    [
      'one whose stream is open',
      'unexpected-message',
      async (hand) => {
        await hand.file(0, 10);
        await say(hand, 0);
      },
    ],
    [
      'the same one twice',
      'unexpected-message',
      async (hand) => {
        await say(hand, 0);
        await say(hand, 0);
      },
    ],
    [
      'a chunk after it',
      'unexpected-message',
      async (hand) => {
        await say(hand, 0);
        await hand.chunk(0, 10, TEN);
      },
    ],
    [
      'an end after it',
      'unexpected-message',
      async (hand) => {
        await say(hand, 0);
        await hand.end(0, TEN);
      },
    ],
    ['fewer bytes than it says', 'message-malformed', (hand) => say(hand, 0, TEN, { size: '11' })],
    ['more bytes than it says', 'message-malformed', (hand) => say(hand, 0, TEN, { size: '9' })],
    ['more than 1 MiB', 'message-malformed', (hand) => say(hand, 0, Buffer.alloc(1024 * 1024 + 1))],
    ['a negative size', 'message-malformed', (hand) => say(hand, 0, TEN, { size: '-10' })],
    ['an invalid digest', 'message-malformed', (hand) => say(hand, 0, TEN, { digest: 'sha1:00' })],
    ['an invalid mode', 'message-malformed', (hand) => say(hand, 0, TEN, { mode: '65536' })],
    ['an invalid time', 'message-malformed', (hand) => say(hand, 0, TEN, { mtimeNs: 'now' })],
  ];
  test.each(rows)('%s', async (_, code, breach) => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);
    await hand.offer({ a: 10, b: 10 });

    await breach(hand).catch(() => undefined); // the receiver may close before all is said

    expect((await hand.hear('error'))?.header['code']).toBe(code);
    expect(await hand.hear()).toBeUndefined();
    expect((await outcome).error?.code).toBe(code);
    // One that came whole before is there, and nothing else.
    expect((await readdir(join(ends.inbox, 'alice'))).filter((name) => name !== 'a')).toEqual([]);
  });

  test('one before the offer is answered', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);

    await say(hand, 0);

    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
    expect(await outcome).toMatchObject({ ok: false, job: undefined });
  });

  test('one before it is announced', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);
    const totals = { complete: '1', files: '1', bytes: '10' };
    await hand.say({ type: 'offer', id: 'o', job: 'job', ...totals }, { names: ['a'], note: '' });
    expect((await hand.hear('answer'))?.header['small']).toBe('1');

    await say(hand, 0);

    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
    expect((await outcome).error?.code).toBe('unexpected-message');
  });
});

describe('a small file that is not what was announced fails alone, with nothing under its name:', () => {
  const other = digestsOf(Buffer.from('another one'));
  const rows: [string, string, Header, Buffer][] = [
    ['its digest is of another content', 'verification-failed', { digest: other.digest }, TEN],
    ['only the digest of its blocks is', 'verification-failed', { blocks: other.blocks }, TEN],
    ['it is larger than what is taken', 'too-large', {}, Buffer.alloc(11)],
  ];
  test.each(rows)('%s', async (_, code, header, content) => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends, { policy: { maxFileBytes: 10 } });
    await hand.offer({ bad: 10, good: 10 });

    await say(hand, 0, content, header);
    await say(hand, 1);
    await hand.say({ type: 'done' });

    expect((await hand.hear('failed'))?.header).toMatchObject({ entry: '0', code });
    expect(await hand.hear('done')).toBeDefined();
    expect(await outcome).toMatchObject({ filesDelivered: 1, filesFailed: 1 });
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['good']);
  });
});

test('a small file that was given up may come after all, and a small one may be given up before it comes', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: 10, b: 10 });

  await hand.say({ type: 'abandon', entry: '0', code: 'source-changed', message: 'changed' });
  await say(hand, 0);
  await hand.say({ type: 'abandon', entry: '1', code: 'path-missing', message: 'gone' });
  await hand.say({ type: 'done' });

  expect(await hand.hear('done')).toBeDefined();
  expect(await outcome).toMatchObject({ filesDelivered: 1, filesFailed: 1 });
  expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['a']);
});
