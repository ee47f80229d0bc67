import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { withReceiver, type Hand } from './by-hand.ts';
import { twoEnds } from './two-ends.ts';

const TEN = Buffer.from('0123456789');

/** What a sender may not do after it announced two files of 10 bytes, and the code it hears for it. */
const BREACHES: [string, string, (hand: Hand) => Promise<void>][] = [
  [
    'a second offer',
    'unexpected-message',
    (hand) => hand.say({ type: 'offer', id: 'x', job: 'j', files: '1', bytes: '1' }, { names: [] }),
  ],
  [
    'entries after the last batch',
    'unexpected-message',
    (hand) => hand.say({ type: 'entries', id: 'x', first: '2' }, []),
  ],
  ['a chunk without a file', 'unexpected-message', (hand) => hand.chunk(0, 0, TEN)],
  ['an end without a file', 'unexpected-message', (hand) => hand.end(0, TEN)],
  ['an unknown entry', 'unexpected-message', (hand) => hand.file(2, 10)],
  [
    'growth of a file that was not said to grow',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.say({ type: 'grow', entry: '0', size: '20' });
    },
  ],
  [
    'growth to fewer bytes',
    'unexpected-message',
    async (hand) => {
      await hand.say({ type: 'file', entry: '0', size: '10', mtimeNs: '0', mode: '420', growing: '1' });
      await hand.say({ type: 'grow', entry: '0', size: '10' });
    },
  ],
  [
    'a file while another is open',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.file(1, 10);
    },
  ],
  [
    'the same file twice',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.file(0, 10);
    },
  ],
  [
    'a chunk of another entry',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(1, 0, TEN);
    },
  ],
  [
    'a chunk past the end',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, 0, Buffer.alloc(11));
    },
  ],
  [
    'a chunk at an offset past the end',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, 20, TEN);
    },
  ],
  [
    'a chunk twice',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, 0, TEN.subarray(5));
      await hand.chunk(0, 0, TEN.subarray(5));
    },
  ],
  [
    'an overlapping chunk',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, 0, TEN.subarray(5));
      await hand.chunk(0, 4, TEN.subarray(5));
    },
  ],
  [
    'a gap between chunks',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, 1, TEN.subarray(5));
    },
  ],
  [
    'a negative offset',
    'message-malformed',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, '-1', TEN);
    },
  ],
  [
    'an offset in hexadecimal',
    'message-malformed',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, '0x0', TEN);
    },
  ],
  [
    'an empty chunk',
    'message-malformed',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, 0, Buffer.alloc(0));
    },
  ],
  [
    'a chunk above 1 MiB',
    'message-malformed',
    async (hand) => {
      await hand.file(0, 10);
      await hand.chunk(0, 0, Buffer.alloc(1024 * 1024 + 1));
    },
  ],
  [
    'an invalid digest',
    'message-malformed',
    async (hand) => {
      await hand.file(0, 0);
      await hand.say({ type: 'end', entry: '0', size: '0', digest: 'sha1:00', blocks: '' });
    },
  ],
  [
    'a size that is no integer',
    'message-malformed',
    (hand) => hand.say({ type: 'file', entry: '0', size: '1e9', mtimeNs: '0', mode: '0' }),
  ],
  [
    'abandoning an unknown entry',
    'unexpected-message',
    (hand) => hand.say({ type: 'abandon', entry: '7', code: 'refused', message: '' }),
  ],
  [
    'abandoning another than the open entry',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.say({ type: 'abandon', entry: '1', code: 'refused', message: '' });
    },
  ],
  ['done with files missing', 'unexpected-message', (hand) => hand.say({ type: 'done' })],
  [
    'done inside a file',
    'unexpected-message',
    async (hand) => {
      await hand.file(0, 10);
      await hand.say({ type: 'done' });
    },
  ],
  ['what only a receiver says', 'unexpected-message', (hand) => hand.say({ type: 'receipts' }, {})],
];

describe('a sender breaks the protocol', () => {
  test.each(BREACHES)(
    'with %s: it hears one error, %s, loses its connection, and leaves no part',
    async (_, code, breach) => {
      const ends = await twoEnds();
      const { hand, outcome } = await withReceiver(ends);
      await hand.offer({ a: 10, b: 10 });

      await breach(hand).catch(() => undefined); // the receiver may close before all is said

      expect((await hand.hear('error'))?.header['code']).toBe(code);
      expect(await hand.hear()).toBeUndefined();
      const received = await outcome;
      expect(received.error?.code).toBe(code);
      expect(received).toMatchObject({ ok: false, filesDelivered: 0, filesFailed: 2 });
      expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
    },
  );

  test.each([
    ['a file', { type: 'file', entry: '0', size: '0', mtimeNs: '0', mode: '0' }],
    ['done', { type: 'done' }],
    ['entries', { type: 'entries', id: 'x', first: '0' }],
    ['nothing that is known', { type: 'hocus' }],
  ])('by beginning with %s instead of an offer', async (_, header) => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);

    await hand.say(header);

    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
    expect(await outcome).toMatchObject({ ok: false, job: undefined });
  });

  test('with a batch that leaves a gap', async () => {
    const ends = await twoEnds();
    const { hand } = await withReceiver(ends);
    await hand.say(
      { type: 'offer', id: 'o', job: 'j', complete: '0', files: '1', bytes: '1' },
      { names: [] },
    );
    await hand.hear('answer');

    await hand.say({ type: 'entries', id: 'e', first: '1' }, []);

    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
  });
});

test('an unknown message with an id is answered unsupported, without one it is dropped, and the transfer continues', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: 10 });

  await hand.say({ type: 'hocus' });
  await hand.say({ type: 'pocus', id: '77' });
  expect((await hand.hear())?.header).toMatchObject({ type: 'error', re: '77', code: 'unsupported' });
  await hand.file(0, 10);
  await hand.chunk(0, 0, TEN);
  await hand.end(0, TEN);
  await hand.say({ type: 'done' });

  expect(await hand.hear('done')).toBeDefined();
  expect(await outcome).toMatchObject({ ok: true, filesDelivered: 1 });
});

describe('a file that is not what was announced by its digest fails alone, with nothing under its name:', () => {
  const flipped = Buffer.from(TEN);
  flipped.writeUInt8(flipped.readUInt8(4) ^ 1, 4);
  const rows: [string, (hand: Hand) => Promise<void>][] = [
    [
      'one bit of a chunk is flipped',
      async (hand) => {
        await hand.chunk(0, 0, flipped);
        await hand.end(0, TEN);
      },
    ],
    [
      'the end comes too early',
      async (hand) => {
        await hand.chunk(0, 0, TEN.subarray(0, 9));
        await hand.end(0, TEN.subarray(0, 9));
      },
    ],
    [
      'the end tells another size',
      async (hand) => {
        await hand.chunk(0, 0, TEN);
        await hand.end(0, TEN, 9);
      },
    ],
    [
      'only the digest of the blocks is wrong',
      async (hand) => {
        await hand.chunk(0, 0, TEN);
        const digest = 'blake3:'.padEnd(71, '0');
        await hand.say({ type: 'end', entry: '0', size: '10', digest, blocks: digest });
      },
    ],
  ];
  test.each(rows)('%s', async (_, send) => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);
    await hand.offer({ bad: 10, good: 10 });

    await hand.file(0, 10);
    await send(hand);
    await hand.file(1, 10);
    await hand.chunk(1, 0, TEN);
    await hand.end(1, TEN);
    await hand.say({ type: 'done' });

    expect((await hand.hear('failed'))?.header).toMatchObject({ entry: '0', code: 'verification-failed' });
    expect(await hand.hear('done')).toBeDefined();
    expect(await outcome).toMatchObject({ filesDelivered: 1, filesFailed: 1 });
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['good']);
  });
});

test('an abandoned file may begin again, and arrives as it was sent the second time', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: 4 });

  await hand.file(0, 4);
  await hand.chunk(0, 0, Buffer.from('old'));
  await hand.say({ type: 'abandon', entry: '0', code: 'source-changed', message: 'changed' });
  await hand.file(0, 10);
  await hand.chunk(0, 0, TEN);
  await hand.end(0, TEN);
  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({ ok: true });
  expect(await readFile(join(ends.inbox, 'alice', 'a'))).toEqual(TEN);
});

test('a file given up is settled, and may not begin again, once another is given up', async () => {
  const ends = await twoEnds();
  const settled: (string | undefined)[] = [];
  const { hand, outcome } = await withReceiver(ends, {
    on: (event) => event.type === 'file' && settled.push(event.result.name),
  });
  await hand.offer({ a: 10, b: 10 });
  const abandon = (entry: number) =>
    hand.say({ type: 'abandon', entry: String(entry), code: 'source-changed', message: 'changed' });

  await abandon(0);
  await abandon(1);
  await hand.file(1, 10);
  await abandon(1);
  await hand.say({ type: 'pocus', id: '77' });
  await hand.hear('error');
  expect(settled).toEqual(['a']);

  await hand.file(0, 10);
  expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
  expect(await outcome).toMatchObject({ filesFailed: 2, files: [{ code: 'refused' }, { name: 'b' }] });
});

test('a file that failed here and is then given up may still begin again, to be dropped', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends, { policy: { maxFileBytes: 10 } });
  await hand.offer({ a: 10, b: 10 });

  await hand.file(0, 11); // grew beyond what is taken
  await hand.say({ type: 'abandon', entry: '0', code: 'source-changed', message: 'changed' });
  await hand.file(0, 11);
  await hand.chunk(0, 0, Buffer.alloc(11));
  await hand.end(0, Buffer.alloc(11));
  await hand.say({ type: 'abandon', entry: '1', code: 'source-changed', message: 'changed' });
  await hand.say({ type: 'done' });

  expect(await hand.hear('done')).toBeDefined();
  expect(await outcome).toMatchObject({
    filesFailed: 2,
    files: [
      { name: 'a', code: 'too-large' },
      { name: 'b', code: 'refused' },
    ],
  });
});

test('a message larger than any of a transfer is refused from its first bytes', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  await hand.offer({ a: 10 });
  // The lengths alone: a header of 2 bytes, a content of 4 MiB and one byte.
  const prefix = Buffer.alloc(10, '{}');
  prefix.writeUInt32BE(2, 0);
  prefix.writeUInt32BE(4 * 1024 * 1024 + 1, 4);
  hand.messenger.socket.write(prefix);

  expect((await hand.hear('error'))?.header['code']).toBe('frame-too-large');
  expect((await outcome).ok).toBe(false);
});

test('a sender that announces more than 16 MiB of names ahead loses its connection', async () => {
  const ends = await twoEnds();
  const { hand } = await withReceiver(ends);
  await hand.say({ type: 'offer', id: 'o', job: 'j', complete: '0', files: '1', bytes: '0' }, { names: [] });
  await hand.hear('answer');
  const path = Array.from({ length: 12 }, () => 'x'.repeat(250)).join('/');
  const batch = Array.from({ length: 1000 }, () => ({ path, kind: 'file', size: 0, mtimeNs: '0', mode: 0 }));

  const heard: (string | undefined)[] = [];
  for (let first = 0; heard.at(-1) !== 'error' && first < 10_000; first += 1000) {
    await hand.say({ type: 'entries', id: 'e', first: String(first) }, batch);
    heard.push((await hand.hear('entries-answer', 'error'))?.header['type']);
  }

  expect(heard.slice(0, 5)).toEqual(heard.slice(0, 5).map(() => 'entries-answer'));
  expect(heard.at(-1)).toBe('error');
});

test('an entry of a kind that is not known fails alone', async () => {
  const ends = await twoEnds();
  await mkdir(ends.inbox);
  const { hand } = await withReceiver(ends);
  await hand.say({ type: 'offer', id: 'o', job: 'j', complete: '1', files: '1', bytes: '0' }, { names: [] });
  await hand.hear('answer');

  await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [
    { path: 'x', kind: 'device', size: 0, mtimeNs: '0', mode: 0 },
  ]);

  const answer = await hand.hear('entries-answer');
  expect(JSON.parse(answer?.content.toString() ?? '')).toMatchObject([
    { answer: 'refused', code: 'unsupported' },
  ]);
});
