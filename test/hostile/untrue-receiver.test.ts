import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  createKeyPair,
  parseEntries,
  type ErrorCode,
  type Message,
  type ReceiptBatch,
  type ReceiptFile,
} from '@filer/protocol';
import { KnownDigests, signReceipts, type SendOptions, type SendOutcome } from '@filer/transfer';
import { digestsOf, withSender, type Hand } from '../transfer/by-hand.ts';
import { twoEnds, type TwoEnds } from '../transfer/two-ends.ts';

/*
 * A receiver that gives false answers to a real sender. The entries are 0: the file `a`, 1: the folder `dir`, 2: the link `dir/link`.
 * The rule: without a receipt of its content, no file is delivered or there; an answer that is out of place is a fault.
 */

const CONTENT = Buffer.from('content');
const OTHER = Buffer.from('other content');

/** The receiver's end of one conversation. */
class Liar {
  readonly hand: Hand;
  readonly ends: TwoEnds;
  job = '';

  constructor(hand: Hand, ends: TwoEnds) {
    this.hand = hand;
    this.ends = ends;
  }

  /** Takes the offer. @returns the first batch of entries */
  async accept(): Promise<Message | undefined> {
    const offer = await this.hand.hear('offer');
    this.job = offer?.header['job'] ?? '';
    await this.hand.say({ type: 'answer', re: offer?.header['id'] ?? '', small: '1' });
    return await this.hand.hear('entries');
  }

  /** Gives any answers to the first batch of entries. */
  async reply(answers: readonly object[], type = 'entries-answer'): Promise<void> {
    await this.hand.say({ type, re: (await this.accept())?.header['id'] ?? '' }, answers);
  }

  /** Answers the three entries, the folder and the link honestly unless said otherwise. */
  async answer(file: object, folder: object = FOLDER, link: object = LINK): Promise<void> {
    const answers: Record<string, object> = { file, dir: folder, link };
    for (let batch = await this.accept(); batch !== undefined; batch = await this.hand.hear('entries')) {
      const { id, last, entries } = parseEntries(batch);
      await this.hand.say(
        { type: 'entries-answer', re: id },
        entries.map(({ kind }) => answers[kind]),
      );
      if (last) return;
    }
  }

  receipt(change: Partial<ReceiptFile> = {}): ReceiptFile {
    const facts = { entry: 0, name: 'a', path: 'alice/a', size: CONTENT.length, synced: true };
    return { ...facts, ...digestsOf(CONTENT), ...change };
  }

  batch(files: readonly ReceiptFile[] = [this.receipt()]) {
    return { network: this.ends.network, job: this.job, sender: this.ends.sender.id, time: 1, files };
  }

  async sign(batch = this.batch(), key = this.ends.receiver): Promise<void> {
    await this.hand.say({ type: 'receipts' }, signReceipts(batch, key));
  }

  failed(entry: number, code: string): Promise<void> {
    return this.hand.say({ type: 'failed', entry: String(entry), code, message: 'no' });
  }

  /** Waits until the sender has nothing left, and says that this side has not either. */
  async done(): Promise<void> {
    await this.hand.hear('done');
    await this.hand.say({ type: 'done' });
  }
}

const WANT = { answer: 'want' };
const FOLDER = { answer: 'made', path: 'alice/dir' };
const LINK = { answer: 'made', path: 'alice/dir/link' };
const HAVE = { answer: 'have', path: 'alice/a', receipt: true };
const PRESENT = { present: true } as const;

async function sendTo(
  lie: (liar: Liar) => Promise<void>,
  options: Partial<SendOptions> = {},
): Promise<{ sent: SendOutcome; kept: ReceiptBatch[] }> {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), CONTENT);
  await mkdir(join(ends.home, 'dir'));
  await symlink('elsewhere', join(ends.home, 'dir', 'link'));
  const kept: ReceiptBatch[] = [];
  const keep = (batch: ReceiptBatch): void => void kept.push(batch);
  const { hand, outcome } = await withSender(ends, ['a', 'dir'], { keep, ...options });
  await lie(new Liar(hand, ends));
  return { sent: await outcome, kept };
}

/** A memory that knows every file as `CONTENT`. */
function remembering(): Partial<SendOptions> {
  const find = () => ({ ...digestsOf(CONTENT), synced: false });
  return { known: new KnownDigests({ find, keep: () => undefined }) };
}

type Row = [
  what: string,
  code: ErrorCode | undefined,
  lie: (liar: Liar) => Promise<void>,
  Partial<SendOptions>?,
];

/** `code`: why the transfer ended; undefined for a conversation in good order that still proves nothing. */
const nothingProved: Row[] = [
  [
    'leaves out a file that it did not fetch',
    'unexpected-message',
    (liar) => liar.answer({ answer: 'unwanted' }),
  ],
  ['leaves out a folder', 'unexpected-message', (liar) => liar.answer(WANT, { answer: 'unwanted' })],
  ['leaves out a link', 'unexpected-message', (liar) => liar.answer(WANT, FOLDER, { answer: 'unwanted' })],
  [
    'says that it made a file',
    'unexpected-message',
    (liar) => liar.answer({ answer: 'made', path: 'alice/a' }),
  ],
  [
    'keeps another file, which was not allowed',
    'unexpected-message',
    (liar) => liar.answer({ answer: 'have', path: 'alice/a' }),
  ],
  ['has a file whose content it was not told', 'unexpected-message', (liar) => liar.answer(HAVE)],
  ['wants a folder', 'unexpected-message', (liar) => liar.answer(WANT, WANT)],
  ['wants a link', 'unexpected-message', (liar) => liar.answer(WANT, FOLDER, { answer: 'resume', bytes: 1 })],
  ['has a folder', 'unexpected-message', (liar) => liar.answer(WANT, { answer: 'have', path: 'alice/dir' })],
  [
    'promises a receipt for a link',
    'unexpected-message',
    (liar) => liar.answer(WANT, FOLDER, { ...HAVE, path: 'alice/dir/link' }),
  ],
  [
    'keeps another link, which was not allowed',
    'unexpected-message',
    (liar) => liar.answer(WANT, FOLDER, { answer: 'have', kept: true, path: 'alice/dir/link' }),
  ],
  [
    'names a place outside its inbox',
    'message-malformed',
    (liar) => liar.answer(WANT, { answer: 'made', path: '/etc' }),
  ],
  ['gives an unknown answer', 'message-malformed', (liar) => liar.answer({ answer: 'took' })],
  ['answers fewer entries', 'message-malformed', (liar) => liar.reply([])],
  ['answers more entries', 'message-malformed', (liar) => liar.reply([WANT, FOLDER, LINK, LINK])],
  [
    'answers entries twice',
    'unexpected-message',
    async (liar) => {
      const batch = await liar.accept();
      if (batch === undefined) throw new Error('nothing was announced');
      const { id: re, entries } = parseEntries(batch);
      const answers = [WANT, FOLDER, LINK].slice(0, entries.length);
      for (let n = 0; n < 2; n++) await liar.hand.say({ type: 'entries-answer', re }, answers);
    },
  ],
  ['answers entries as an offer is answered', 'unexpected-message', (liar) => liar.reply([], 'answer')],
  [
    'answers the offer as entries are answered',
    'unexpected-message',
    async (liar) => {
      const re = (await liar.hand.hear('offer'))?.header['id'] ?? '';
      await liar.hand.say({ type: 'entries-answer', re }, []);
    },
  ],
  [
    'ends before the sender does',
    'unexpected-message',
    async (liar) => {
      await liar.accept();
      await liar.hand.say({ type: 'done' });
    },
  ],
  [
    'takes everything, and signs for nothing',
    undefined,
    async (liar) => {
      await liar.answer(WANT);
      await liar.done();
    },
  ],
  [
    'signs for nothing in particular',
    undefined,
    async (liar) => {
      await liar.answer(WANT);
      await liar.sign(liar.batch([]));
      await liar.done();
    },
  ],
  [
    'closes after it took everything',
    'connection-closed',
    async (liar) => {
      await liar.answer(WANT);
      await liar.hand.hear('done');
      await liar.hand.messenger.close();
    },
  ],
  [
    'refuses a file as if the connection had ended',
    undefined,
    async (liar) => {
      await liar.answer({ answer: 'refused', code: 'connection-closed', message: 'bye' });
      await liar.done();
    },
  ],
  [
    'fails a file as if the sender had changed it',
    undefined,
    async (liar) => {
      await liar.answer(WANT);
      await liar.failed(0, 'source-changed');
      await liar.done();
    },
  ],
  [
    'fails a file that it was not asked about',
    'unexpected-message',
    async (liar) => {
      await liar.accept();
      await liar.failed(0, 'refused');
    },
  ],
  [
    'fails a file that does not exist',
    'unexpected-message',
    async (liar) => {
      await liar.answer(WANT);
      await liar.failed(9, 'refused');
    },
  ],
  [
    'fails a folder that it made',
    'unexpected-message',
    async (liar) => {
      await liar.answer(WANT);
      await liar.failed(1, 'refused');
    },
  ],
  [
    'fails a file twice',
    'unexpected-message',
    async (liar) => {
      await liar.answer(WANT);
      await liar.failed(0, 'refused');
      await liar.failed(0, 'refused');
    },
  ],
  [
    'signs for a file after it failed',
    'verification-failed',
    async (liar) => {
      await liar.answer(WANT);
      await liar.hand.hear('small');
      await liar.failed(0, 'no-space');
      await liar.sign();
    },
  ],
  [
    'took bytes of what is not a file',
    'unexpected-message',
    async (liar) => {
      await liar.answer(WANT);
      await liar.hand.say({ type: 'got', entry: '9', offset: '1' });
    },
  ],
  [
    'signs before it is asked',
    'verification-failed',
    async (liar) => {
      await liar.accept();
      await liar.sign();
    },
  ],
  [
    'signs that a file is there before it says so',
    'verification-failed',
    async (liar) => {
      await liar.accept();
      await liar.sign(liar.batch([liar.receipt(PRESENT)]));
    },
    remembering(),
  ],
  [
    'has a file and signs nothing',
    undefined,
    async (liar) => {
      await liar.answer(HAVE);
      await liar.done();
    },
    remembering(),
  ],
  [
    'has a file and signs for another',
    'verification-failed',
    async (liar) => {
      await liar.answer(HAVE);
      await liar.sign(liar.batch([liar.receipt({ ...PRESENT, ...digestsOf(OTHER) })]));
    },
    remembering(),
  ],
  [
    'has a file and signs that it came',
    'verification-failed',
    async (liar) => {
      await liar.answer(HAVE);
      await liar.sign();
    },
    remembering(),
  ],
  [
    'wants a file and signs that it was there',
    'verification-failed',
    async (liar) => {
      await liar.answer(WANT);
      await liar.hand.hear('small');
      await liar.sign(liar.batch([liar.receipt(PRESENT)]));
    },
    remembering(),
  ],
  [
    'checks a file, which is none of those there, and signs that it was there',
    'verification-failed',
    async (liar) => {
      await liar.answer({
        answer: 'check',
        bytes: 0,
        files: [{ seal: digestsOf(OTHER).digest, path: 'alice/b' }],
      });
      await liar.hand.hear('small');
      await liar.sign(liar.batch([liar.receipt(PRESENT)]));
    },
  ],
  ...(
    [
      ['of another network', (batch) => ({ ...batch, network: createKeyPair().id })],
      ['of another job', (batch) => ({ ...batch, job: 'other' })],
      ['for another sender', (batch) => ({ ...batch, sender: createKeyPair().id })],
      ['of another size', (batch, liar) => ({ ...batch, files: [liar.receipt({ size: 8 })] })],
      [
        'of another digest',
        (batch, liar) => ({ ...batch, files: [liar.receipt({ digest: digestsOf(OTHER).digest })] }),
      ],
      [
        'of other blocks',
        (batch, liar) => ({ ...batch, files: [liar.receipt({ blocks: digestsOf(OTHER).blocks })] }),
      ],
      ['of another name', (batch, liar) => ({ ...batch, files: [liar.receipt({ name: 'b' })] })],
      ['of a file that does not exist', (batch, liar) => ({ ...batch, files: [liar.receipt({ entry: 9 })] })],
      [
        'of a folder',
        (batch, liar) => ({
          ...batch,
          files: [liar.receipt({ entry: 1, name: 'dir', size: 0, ...digestsOf(Buffer.alloc(0)) })],
        }),
      ],
      [
        'of a link',
        (batch, liar) => ({
          ...batch,
          files: [liar.receipt({ entry: 2, name: 'dir/link', size: 0, ...digestsOf(Buffer.alloc(0)) })],
        }),
      ],
      [
        'of a place outside the inbox',
        (batch, liar) => ({ ...batch, files: [liar.receipt({ path: '../a' })] }),
      ],
    ] satisfies [string, (batch: ReturnType<Liar['batch']>, liar: Liar) => ReturnType<Liar['batch']>][]
  ).map(([what, change]): Row => [
    `signs a receipt ${what}`,
    'verification-failed',
    async (liar) => {
      await liar.answer(WANT);
      await liar.hand.hear('small');
      await liar.sign(change(liar.batch(), liar));
    },
  ]),
  [
    'has someone else sign',
    'verification-failed',
    async (liar) => {
      await liar.answer(WANT);
      await liar.hand.hear('small');
      await liar.sign(liar.batch(), createKeyPair());
    },
  ],
  [
    'signs for one file twice in one receipt',
    'message-malformed',
    async (liar) => {
      await liar.answer(WANT);
      await liar.hand.hear('small');
      await liar.sign(liar.batch([liar.receipt(), liar.receipt()]));
    },
  ],
];

describe('without a receipt no file is delivered to a receiver that', () => {
  test.each(nothingProved)('%s', async (_, code, lie, options) => {
    const { sent, kept } = await sendTo(lie, options);

    expect(sent.error?.code).toBe(code);
    expect(sent.ok).toBe(false);
    const file = sent.files.find(({ name }) => name === 'a');
    expect(file).toMatchObject({
      status: 'failed',
      failedBy: expect.stringMatching(code === undefined ? /^peer$/ : /^(peer|transfer)$/),
    });
    expect(sent.files.filter(({ digest }) => digest !== undefined)).toEqual([]);
    expect(kept.flatMap(({ files }) => files)).toEqual([]);
  });
});

describe('what a receiver said before it broke the rules stands, and it is still told about its fault, when it', () => {
  test.each<[string, ErrorCode, (liar: Liar) => Promise<void>]>([
    ['signs twice', 'verification-failed', (liar) => liar.sign()],
    ['fails what it signed for', 'unexpected-message', (liar) => liar.failed(0, 'refused')],
  ])('%s', async (_, code, breach) => {
    const { sent } = await sendTo(async (liar) => {
      await liar.answer(WANT);
      await liar.hand.hear('small');
      await liar.sign();
      await breach(liar);
      expect((await liar.hand.hear('error'))?.header['code']).toBe(code);
    });

    expect(sent).toMatchObject({ ok: false, filesDelivered: 2, error: { code } });
  });
});

test('only the file has a proof: of the folder and the link there is the word of the receiver', async () => {
  const { sent, kept } = await sendTo(async (liar) => {
    await liar.answer(WANT);
    await liar.hand.hear('small');
    await liar.sign();
    await liar.done();
  });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 2 });
  const proved = Object.fromEntries(sent.files.map(({ name, digest }) => [name, digest !== undefined]));
  expect(proved).toEqual({ a: true, 'dir/link': false });
  expect(kept).toHaveLength(1);
});

test('what --on-conflict lets a receiver keep is neither delivered nor the same', async () => {
  const lie = async (liar: Liar): Promise<void> => {
    await liar.answer({ answer: 'have', path: 'alice/a' });
    await liar.done();
  };
  for (const onConflict of ['skip', 'newer'] as const) {
    const { sent } = await sendTo(lie, { onConflict });
    expect(sent).toMatchObject({ filesKept: 1, filesSkipped: 1 });
    expect(sent.files.find(({ name }) => name === 'a')).toMatchObject({ status: 'skipped', kept: true });
  }
});

test('one who fetches may leave out what it will, and of that nothing is said', async () => {
  const { sent } = await sendTo(
    async (liar) => {
      await liar.answer({ answer: 'unwanted' }, { answer: 'unwanted' }, { answer: 'unwanted' });
      await liar.done();
    },
    { receiverChooses: true },
  );

  expect(sent).toMatchObject({ ok: true, files: [], filesDelivered: 0, filesSkipped: 0 });
});
