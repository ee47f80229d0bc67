import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  createKeyPair,
  FilerError,
  parseReceiptBatch,
  type ReceiptBatch,
  type ReceiptFile,
} from '@filer/protocol';
import {
  KnownDigests,
  signReceipts,
  verifyReceipts,
  type SendEvent,
  type SendOptions,
} from '@filer/transfer';
import { digestsOf, withSender, type Hand } from './by-hand.ts';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const CONTENT = Buffer.from('content');

async function withFile(): Promise<TwoEnds> {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), CONTENT);
  return ends;
}

/** Plays the receiver up to the `done` of the sender. @returns the job */
async function takeAll(hand: Hand): Promise<string> {
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);
  await hand.hear('done');
  return offer?.header['job'] ?? '';
}

/** What an honest receiver would sign. */
function honest(ends: TwoEnds, job: string) {
  const file: ReceiptFile = {
    entry: 0,
    name: 'a',
    path: 'alice/a',
    size: CONTENT.length,
    ...digestsOf(CONTENT),
    synced: true,
  };
  return { network: ends.network, job, sender: ends.sender.id, time: 1, files: [file] };
}

test('an honest receipt is taken', async () => {
  const ends = await withFile();
  const { hand, outcome } = await withSender(ends, ['a']);
  const job = await takeAll(hand);

  await hand.say({ type: 'receipts' }, signReceipts(honest(ends, job), ends.receiver));
  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({ ok: true, filesDelivered: 1, job });
});

test('a person is waited for until the offer is answered, and not when somebody says so later', async () => {
  const ends = await withFile();
  const waits: string[] = [];
  const on = ({ type }: SendEvent): void => void (type === 'waiting' && waits.push(type));
  const { hand, outcome } = await withSender(ends, ['a'], { on });
  const offer = await hand.hear('offer');
  await hand.say({ type: 'working', asking: '1' });
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'working', asking: '1' });
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);
  await hand.hear('done');
  await hand.say({ type: 'receipts' }, signReceipts(honest(ends, offer?.header['job'] ?? ''), ends.receiver));
  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({ ok: true });
  expect(waits).toHaveLength(1);
});

describe('while receipts are being kept', () => {
  async function keeping() {
    const ends = await withFile();
    const kept = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const keep = (): Promise<void> => (begun.resolve(), kept.promise);
    const { hand, outcome } = await withSender(ends, ['a'], { keep });
    const receipts = signReceipts(honest(ends, await takeAll(hand)), ends.receiver);
    await hand.say({ type: 'receipts' }, receipts);
    await begun.promise;
    return { hand, outcome, kept, receipts };
  }

  test('their files do not count yet, and do when they are kept, though the connection is lost meanwhile', async () => {
    const { hand, outcome, kept } = await keeping();
    hand.messenger.destroy();
    const early = await Promise.race([outcome, new Promise<string>((done) => setImmediate(done, 'not yet'))]);
    expect(early).toBe('not yet');
    kept.resolve();

    expect(await outcome).toMatchObject({ ok: false, filesDelivered: 1, filesFailed: 0 });
  });

  test('their files are failed when they cannot be kept', async () => {
    const { hand, outcome, kept } = await keeping();
    await hand.say({ type: 'done' });
    kept.reject(new FilerError('no-space', 'the disk is full'));

    expect(await outcome).toMatchObject({
      error: { code: 'no-space' },
      filesDelivered: 0,
      filesFailed: 1,
    });
  });

  test.each([
    ['a second receipt', 'receipts', 'verification-failed'],
    ['a failure', 'failed', 'unexpected-message'],
  ])('%s of one of them is a fault of the receiver, whose first word stands', async (_, type, code) => {
    const { hand, outcome, kept, receipts } = await keeping();
    if (type === 'failed') await hand.say({ type, entry: '0', code: 'refused', message: 'after all not' });
    else await hand.say({ type }, receipts);
    expect((await hand.hear('error'))?.header['code']).toBe(code);
    kept.resolve();

    expect(await outcome).toMatchObject({ ok: false, filesDelivered: 1, filesFailed: 0 });
  });
});

test('where a file was placed may be longer than what may be sent', async () => {
  const ends = await withFile();
  const { hand, outcome } = await withSender(ends, ['a']);
  const job = await takeAll(hand);
  const path = `${'inbox/'.repeat(600)}a`;
  const { files, ...batch } = honest(ends, job);
  const placed = { ...batch, files: files.map((file) => ({ ...file, path })) };

  await hand.say({ type: 'receipts' }, signReceipts(placed, ends.receiver));
  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({ ok: true, files: [{ path }] });
});

describe('a receipt is refused, and its file not called delivered, when', () => {
  type Honest = ReturnType<typeof honest>;
  const fileWith = (batch: Honest, change: Partial<ReceiptFile>): Honest => ({
    ...batch,
    files: batch.files.map((file) => ({ ...file, ...change })),
  });
  const other = digestsOf(Buffer.from('other'));
  const rows: [string, (batch: Honest, ends: TwoEnds) => ReceiptBatch][] = [
    ['someone else signed it', (batch) => signReceipts(batch, createKeyPair())],
    [
      'someone else signed it in the name of the receiver',
      (batch, { receiver }) => ({ ...signReceipts(batch, createKeyPair()), receiver: receiver.id }),
    ],
    [
      'it was altered after signing',
      (batch, { receiver }) => ({ ...signReceipts(batch, receiver), time: 2 }),
    ],
    [
      'it is of another network',
      (batch, { receiver }) => signReceipts({ ...batch, network: createKeyPair().id }, receiver),
    ],
    ['it is of another job', (batch, { receiver }) => signReceipts({ ...batch, job: 'other' }, receiver)],
    [
      'it is for another sender',
      (batch, { receiver }) => signReceipts({ ...batch, sender: createKeyPair().id }, receiver),
    ],
    [
      'it has another digest',
      (batch, { receiver }) => signReceipts(fileWith(batch, { digest: other.digest }), receiver),
    ],
    [
      'it has another digest of blocks',
      (batch, { receiver }) => signReceipts(fileWith(batch, { blocks: other.blocks }), receiver),
    ],
    ['it has another size', (batch, { receiver }) => signReceipts(fileWith(batch, { size: 8 }), receiver)],
    ['it has another name', (batch, { receiver }) => signReceipts(fileWith(batch, { name: 'b' }), receiver)],
    [
      'it is for an unknown entry',
      (batch, { receiver }) => signReceipts(fileWith(batch, { entry: 1 }), receiver),
    ],
    [
      'its path leaves the inbox',
      (batch, { receiver }) => signReceipts(fileWith(batch, { path: 'alice/../../a' }), receiver),
    ],
    [
      'its path is absolute',
      (batch, { receiver }) => signReceipts(fileWith(batch, { path: '/a' }), receiver),
    ],
  ];
  test.each(rows)('%s', async (_, forge) => {
    const ends = await withFile();
    const kept: ReceiptBatch[] = [];
    const { hand, outcome } = await withSender(ends, ['a'], { keep: (batch) => void kept.push(batch) });
    const job = await takeAll(hand);

    await hand.say({ type: 'receipts' }, forge(honest(ends, job), ends));

    expect((await hand.hear('error'))?.header['code']).toBe('verification-failed');
    const sent = await outcome;
    expect(sent.error?.code).toBe('verification-failed');
    expect(sent).toMatchObject({ filesDelivered: 0, filesFailed: 1 });
    expect(kept).toEqual([]);
  });
});

test('a file without a receipt is not called delivered', async () => {
  const ends = await withFile();
  const { hand, outcome } = await withSender(ends, ['a']);
  await takeAll(hand);

  await hand.say({ type: 'done' });

  expect(await outcome).toMatchObject({
    ok: false,
    files: [{ status: 'failed', code: 'verification-failed' }],
  });
});

describe('a receiver that breaks the protocol loses its connection:', () => {
  const rows: [string, (hand: Hand) => Promise<void>][] = [
    ['an answer to nothing', (hand) => hand.say({ type: 'answer', re: '99' })],
    ['done before the sender is', (hand) => hand.say({ type: 'done' })],
    [
      'what only a sender says',
      (hand) => hand.say({ type: 'file', entry: '0', size: '0', mtimeNs: '0', mode: '0' }),
    ],
  ];
  test.each(rows)('%s', async (_, breach) => {
    const ends = await withFile();
    const { hand, outcome } = await withSender(ends, ['a']);
    await hand.hear('offer');

    await breach(hand);

    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
    expect((await outcome).error?.code).toBe('unexpected-message');
  });

  test('fewer answers than entries', async () => {
    const ends = await withFile();
    const { hand, outcome } = await withSender(ends, ['a']);
    const offer = await hand.hear('offer');
    await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
    const entries = await hand.hear('entries');

    await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, []);

    expect((await outcome).error?.code).toBe('message-malformed');
  });
});

describe('a receiver that has the file already', () => {
  /** Sends a file that the sender remembers or not, and answers `have`. */
  async function answered(answer: object, options: Partial<SendOptions> = {}) {
    const ends = await withFile();
    const { hand, outcome } = await withSender(ends, ['a'], options);
    const offer = await hand.hear('offer');
    await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
    const entries = await hand.hear('entries');
    await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [
      { answer: 'have', path: 'alice/a', ...answer },
    ]);
    return { ends, hand, outcome, job: offer?.header['job'] ?? '' };
  }

  /** A memory that knows every file, with the digests of this content. */
  function knowing(content: Buffer): KnownDigests {
    return new KnownDigests({
      find: () => ({ ...digestsOf(content), synced: false }),
      keep: () => undefined,
    });
  }

  test('signs for it, and no byte is sent', async () => {
    const { ends, hand, outcome, job } = await answered({ receipt: true }, { known: knowing(CONTENT) });
    const { files, ...batch } = honest(ends, job);
    const there = files.map((file) => ({ ...file, present: true as const }));
    await hand.say({ type: 'receipts' }, signReceipts({ ...batch, files: there }, ends.receiver));
    await hand.hear('done');
    await hand.say({ type: 'done' });

    expect(await outcome).toMatchObject({
      ok: true,
      filesSkipped: 1,
      filesKept: 0,
      bytesSent: 0,
      files: [{ status: 'skipped', digest: digestsOf(CONTENT).digest }],
    });
  });

  test('must sign for what the sender has, and say that it was there', async () => {
    const other = digestsOf(Buffer.from('other content'));
    for (const lie of [{ ...other, present: true as const }, {}]) {
      const { ends, hand, outcome, job } = await answered({ receipt: true }, { known: knowing(CONTENT) });
      const { files, ...batch } = honest(ends, job);
      const there = files.map((file) => ({ ...file, ...lie }));
      await hand.say({ type: 'receipts' }, signReceipts({ ...batch, files: there }, ends.receiver));

      expect((await outcome).error?.code).toBe('verification-failed');
    }
  });

  test('and promises a receipt, fails the file when none comes', async () => {
    const { hand, outcome } = await answered({ receipt: true }, { known: knowing(CONTENT) });
    await hand.hear('done');
    await hand.say({ type: 'done' });

    expect(await outcome).toMatchObject({ ok: false, files: [{ code: 'verification-failed' }] });
  });

  test('cannot know so of a content that was not named', async () => {
    expect((await (await answered({ receipt: true })).outcome).error?.code).toBe('unexpected-message');
  });

  test('may keep another one only where the sender allowed it, which is told', async () => {
    const { hand, outcome } = await answered({}, { onConflict: 'skip' });
    await hand.hear('done');
    await hand.say({ type: 'done' });
    expect(await outcome).toMatchObject({
      ok: true,
      filesSkipped: 1,
      filesKept: 1,
      files: [{ status: 'skipped', kept: true }],
    });

    expect((await (await answered({})).outcome).error?.code).toBe('unexpected-message');
  });
});

test.each<[string, (batch: Record<string, unknown>, file: object) => object]>([
  ['a batch', (batch) => ({ ...batch, paid: true })],
  ['a file of it', (batch, file) => ({ ...batch, files: [{ ...file, shown: 'b' }] })],
])('a receipt with a key in %s that is not signed is refused', async (_, change) => {
  const ends = await withFile();
  const { hand, outcome } = await withSender(ends, ['a']);
  const batch = signReceipts(honest(ends, await takeAll(hand)), ends.receiver);

  await hand.say({ type: 'receipts' }, change({ ...batch }, batch.files[0] ?? {}));

  expect((await hand.hear('error'))?.header['code']).toBe('message-malformed');
  expect(await outcome).toMatchObject({ ok: false, filesDelivered: 0, error: { code: 'message-malformed' } });
});

test('a file that the receiver refuses on its way is abandoned with its reason', async () => {
  const ends = await withFile();
  await writeFile(join(ends.home, 'large'), Buffer.alloc(40 * 1024 * 1024));
  const { hand, outcome } = await withSender(ends, ['large']);
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'want' }]);
  await hand.hear('chunk');
  await hand.say({ type: 'failed', entry: '0', code: 'no-space', message: 'the disk is full' });

  const header = (await hand.hear('abandon'))?.header;

  expect(header).toMatchObject({ entry: '0', code: 'no-space' });
  expect(header?.['message']).toContain('the disk is full');
  await hand.hear('done');
  await hand.say({ type: 'done' });
  expect(await outcome).toMatchObject({ files: [{ code: 'no-space' }] });
});

test('a kept receipt can be checked later, and not after one character of it changed', async () => {
  const ends = await withFile();
  const kept: ReceiptBatch[] = [];
  await transfer(ends, ['a'], { send: { keep: (batch) => void kept.push(batch) } });

  const stored = JSON.stringify(kept[0]);
  const batch = parseReceiptBatch(JSON.parse(stored));
  expect(() => verifyReceipts(batch)).not.toThrow();
  const [file] = batch.files;
  if (file === undefined) throw new Error('one file was sent');
  for (const change of [
    { name: 'b' },
    { path: 'alice/b' },
    { size: 8 },
    { synced: !file.synced },
    { entry: 1 },
  ]) {
    const altered = { ...batch, files: [{ ...file, ...change }] };
    expect(() => verifyReceipts(altered)).toThrow(expect.objectContaining({ code: 'signature-invalid' }));
  }
});
