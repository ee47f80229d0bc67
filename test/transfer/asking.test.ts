import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FilerError, formatAsking, parseOffer, type Header, type Offer } from '@filer/protocol';
import { KnownDigests, type SendEvent } from '@filer/transfer';
import { withReceiver, withSender } from './by-hand.ts';
import { codesOf, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const TOTALS = { complete: '1', files: '2', bytes: '10' };
const SO_FAR = { complete: '0', files: '1', bytes: '5' };

function offer(id: string, totals: Header): Header {
  return { type: 'offer', id, job: 'j', ...totals };
}

/** Takes what is counted, and only that. */
function cap({ complete, files, bytes, names }: Offer): { files: number; bytes: number; names: Set<string> } {
  if (!complete) throw new FilerError('totals-needed', 'a person is asked first');
  return { files, bytes, names: new Set(names) };
}

async function withTrees(ends: TwoEnds): Promise<string[]> {
  for (const [tree, files] of [
    ['large', 150],
    ['small', 2],
  ] as const) {
    await mkdir(join(ends.home, tree));
    for (let n = 0; n < files; n++) await writeFile(join(ends.home, tree, String(n)), 'xyz');
  }
  return ['large', 'small'];
}

test('an offer whose totals are not known is not shown to anybody, a second one with totals is', async () => {
  const { hand } = await withReceiver(await twoEnds(), { policy: { accept: cap } });
  await hand.say(offer('1', SO_FAR), { names: ['a'] });
  expect((await hand.hear())?.header).toMatchObject({ type: 'error', code: 'totals-needed', re: '1' });

  await hand.say(offer('2', TOTALS), { names: ['a', 'b'] });
  expect((await hand.hear())?.header).toMatchObject({ type: 'answer', re: '2' });
  const entry = { kind: 'file', size: 5, mtimeNs: '0', mode: 0 };
  await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [
    { ...entry, path: 'a' },
    { ...entry, path: 'c/b' },
    { ...entry, path: 'b' },
    { ...entry, path: 'a/b', size: 0 },
  ]);
  const answers = JSON.parse((await hand.hear('entries-answer'))?.content.toString() ?? '') as Header[];
  expect(answers.map(({ answer }) => answer)).toEqual(['want', 'refused', 'want', 'refused']);
  expect(answers.map(({ code }) => code)).toEqual([undefined, 'refused', undefined, 'refused']);
});

test('a sender that counts forever is refused', async () => {
  const { hand, outcome } = await withReceiver(await twoEnds(), { policy: { accept: cap } });
  await hand.say(offer('1', SO_FAR), { names: [] });
  await hand.hear('error');
  await hand.say(offer('2', SO_FAR), { names: [] });

  expect((await hand.hear('error'))?.header).toMatchObject({ code: 'totals-needed', re: '2' });
  expect(await outcome).toMatchObject({ ok: false, error: { code: 'totals-needed' } });
});

test('a sender that is asked for its totals counts all of it, and sends what it counted', async () => {
  const ends = await twoEnds();
  const files = await withTrees(ends);
  const shown: Offer[] = [];
  const accept = (each: Offer): ReturnType<typeof cap> => {
    shown.push(each);
    return cap(each);
  };

  const { sent } = await transfer(ends, files, { receive: { policy: { accept } } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 152, bytesTotal: 456 });
  expect(shown).toMatchObject([
    { complete: false, names: ['large'] },
    { complete: true, names: ['large', 'small'], files: 152, bytes: 456 },
  ]);
});

test.each(['remembered', 'compared'])(
  'what is there already, as it is %s, takes nothing of what may come, and one file too many does',
  async (how) => {
    const ends = await twoEnds();
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) await writeFile(join(ends.home, name), name.repeat(10));
    await mkdir(join(ends.home, 'tree'));
    await symlink('x', join(ends.home, 'tree', 'link'));
    const known = how === 'remembered' ? new KnownDigests() : undefined;
    const before = { send: { known }, receive: { known } };
    await transfer(ends, ['a', 'b', 'tree'], before);

    const { sent } = await transfer(ends, [...names, 'tree'], {
      send: { known },
      receive: { known, policy: { accept: () => ({ files: 1, bytes: 10 }) } },
    });

    expect(codesOf(sent)).toEqual({
      ...{ a: undefined, b: undefined, c: undefined, d: 'refused' },
      'tree/link': undefined,
    });
    expect(sent).toMatchObject({ filesSkipped: 3, filesDelivered: 1, filesFailed: 1 });
  },
);

test('a sender tells that a person was asked, and waits for as long as it hears so', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'content');
  const waiting = Promise.withResolvers<SendEvent>();
  const on = (event: SendEvent): void => {
    if (event.type === 'waiting') waiting.resolve(event);
  };
  const { hand, outcome } = await withSender(ends, ['a'], { on, stallMs: 300 });
  const { id } = parseOffer((await hand.hear('offer')) ?? { header: {}, content: Buffer.alloc(0) });

  for (let said = 0; said < 12; said++) {
    await hand.say(formatAsking().header);
    await new Promise((resolve) => setTimeout(resolve, 50)); // the pace of the wire, longer in all than a stall
  }
  await waiting.promise;
  await hand.say({ type: 'error', re: id, code: 'declined', message: 'not today' });

  expect(await outcome).toMatchObject({
    error: { code: 'declined', message: expect.stringContaining('"not today"') as string },
  });
});

test('a sender that is accepted sends nothing before it may, and says that it works', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'content');
  const turn = Promise.withResolvers<void>();
  const { hand, outcome } = await withSender(ends, ['a'], {
    accepted: () => turn.promise,
    workingEveryMs: 20,
  });
  const offered = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offered?.header['id'] ?? '' });

  expect((await hand.hear())?.header).toEqual({ type: 'working' });
  turn.resolve();
  expect(await hand.hear('entries')).toBeDefined();
  await hand.messenger.close();
  expect((await outcome).ok).toBe(false);
});
