import { randomBytes } from 'node:crypto';
import { blockMessage, FilerError, wantedMessage, type Messenger } from '@filer/protocol';
import { HeldBlocks, type ReceiverPassing } from '@filer/transfer';
import { expect, onTestFinished, test } from 'vitest';
import { digestsOf, withReceiver, type Hand } from './by-hand.ts';
import { connected, twoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;
const PEER = 'A'.repeat(52);
const TOKEN = 'dG9rZW4'.repeat(6) + 'A';
const NEVER = `blake3:${'ab'.repeat(32)}`;

function passing(): ReceiverPassing {
  const held = new HeldBlocks();
  onTestFinished(() => held.close());
  const open = async (): Promise<never> => {
    throw new FilerError('peer-unreachable', 'it is gone');
  };
  return { held, open, grant: () => undefined, call: () => undefined };
}

function relayed(hand: Hand, offset: number, bytes: number, block: string): Promise<void> {
  const where = { entry: '0', offset: String(offset), bytes: String(bytes) };
  return hand.say({ type: 'relayed', ...where, block, from: PEER });
}

test.each<[string, (hand: Hand) => Promise<void>]>([
  [
    'one block again and again, which never comes',
    async (hand) => {
      for (let n = 0; n < 17; n++) await relayed(hand, n * MiB, MiB, NEVER);
    },
  ],
  [
    'blocks that come, behind one that never does',
    async (hand) => {
      await relayed(hand, 0, MiB, NEVER);
      for (let n = 1; n < 17; n++) {
        const content = randomBytes(MiB);
        const block = digestsOf(content).digest;
        await relayed(hand, n * MiB, MiB, block);
        await hand.say({ type: 'supply', block }, content);
      }
    },
  ],
  [
    'one block of two sizes',
    async (hand) => {
      await relayed(hand, 0, MiB, NEVER);
      await relayed(hand, MiB, MiB - 1, NEVER);
    },
  ],
])('a sender that leaves too much to others is refused: %s', async (_, breach) => {
  const { hand, outcome } = await withReceiver(await twoEnds(), { passing: passing() });
  await hand.offer({ large: 64 * MiB });
  await hand.say({ type: 'holder', peer: PEER, token: TOKEN });
  await hand.file(0, 64 * MiB);

  await breach(hand);

  expect((await hand.hear('error'))?.header).toMatchObject({ code: 'unexpected-message' });
  await hand.messenger.close();
  expect((await outcome).error).toMatchObject({ code: 'unexpected-message' });
});

test('a holder that owes nothing may close, and is called once more for the next block', async () => {
  const contents = [randomBytes(MiB), randomBytes(MiB)];
  const blocks = contents.map((content) => digestsOf(content).digest);
  const calls: { readonly holder: Messenger; readonly over: Promise<void> }[] = [];
  const open = async (): Promise<Messenger> => {
    const { dialler, accepter: holder } = await connected();
    const over = Promise.withResolvers<void>();
    const close = dialler.close.bind(dialler);
    dialler.close = async () => close().then(over.resolve);
    calls.push({ holder, over: over.promise });
    void giveOne(holder, contents[calls.length - 1] ?? Buffer.alloc(0));
    return dialler;
  };
  const { hand } = await withReceiver(await twoEnds(), { passing: { ...passing(), open } });
  await hand.offer({ large: 2 * MiB });
  await hand.say({ type: 'holder', peer: PEER, token: TOKEN });
  await hand.file(0, 2 * MiB);

  for (const [n, block] of blocks.entries()) {
    await relayed(hand, n * MiB, MiB, block);
    expect((await hand.hear('got', 'lacking'))?.header).toMatchObject({ type: 'got' });
    await calls[n]?.holder.close();
    await calls[n]?.over;
  }

  expect(calls).toHaveLength(2);
});

/** Answers the first question of one who was named. */
async function giveOne(holder: Messenger, content: Buffer): Promise<void> {
  const messages = holder[Symbol.asyncIterator]();
  await messages.next();
  const asked = await messages.next();
  if (asked.done === true) return;
  const [block = ''] = wantedMessage.parse(asked.value).digests;
  for (let offset = 0; offset < content.length; offset += 65_536) {
    const piece = content.subarray(offset, offset + 65_536);
    await holder.send(blockMessage.formatHeader({ block, offset, size: content.length }), piece);
  }
}
