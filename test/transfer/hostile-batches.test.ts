import { readdirSync, writeFileSync } from 'node:fs';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { parseEntriesAnswer, parseReceipts, type EntryAnswer } from '@filer/protocol';
import { KnownDigests, type KnownDigest, type ReceiveOptions } from '@filer/transfer';
import { digestsOf, withReceiver, type Hand } from './by-hand.ts';
import { deliveredBefore } from './delivered-before.ts';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const FACTS = { mtimeNs: '0', mode: 0o755 };

/** As docs/protocol.md says. */
function blindedDigest(digest: string): string {
  return digestsOf(Buffer.from(`filer/1 check\n${digest}`)).digest;
}

function fileEntry(path: string, size: number): object {
  return { ...FACTS, path, kind: 'file', size };
}

/** A receiver that took an offer of any number of files. */
async function offered(ends: TwoEnds, options: Partial<ReceiveOptions> = {}, header = {}) {
  const receiver = await withReceiver(ends, options);
  const totals = { complete: '0', files: '0', bytes: '0' };
  await receiver.hand.say(
    { type: 'offer', id: 'o', job: 'job', ...totals, ...header },
    { names: [], note: '' },
  );
  await receiver.hand.hear('answer');
  return receiver;
}

async function announce(hand: Hand, first: number, entries: readonly object[]): Promise<EntryAnswer[]> {
  await hand.say({ type: 'entries', id: 'e', first: String(first) }, entries);
  const answer = await hand.hear('entries-answer');
  return answer === undefined ? [] : parseEntriesAnswer(answer).answers;
}

/** Looks again and again until it is told to stop. @returns how often it could, and the most open descriptors it saw */
function watch(): () => { turns: number; mostOpen: number } {
  let [turns, mostOpen, stopped] = [0, 0, false];
  const look = (): void => {
    if (stopped) return;
    turns++;
    mostOpen = Math.max(mostOpen, readdirSync('/proc/self/fd').length);
    setImmediate(look);
  };
  setImmediate(look);
  return () => {
    stopped = true;
    return { turns, mostOpen };
  };
}

describe('one batch of entries', () => {
  test('of thousands of new folders keeps few of them open', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await offered(ends);
    const below = '/x'.repeat(30);
    const stop = watch();

    const answers = await announce(
      hand,
      0,
      Array.from({ length: 150 }, (_, n) => fileEntry(`${n}${below}`, 1)),
    );

    expect(answers.filter(({ answer }) => answer === 'want')).toHaveLength(150);
    expect(stop().mostOpen).toBeLessThan(1_000);
    hand.messenger.destroy();
    await outcome;
  });

  test('in a folder full of copies holds no one else up', async () => {
    const ends = await twoEnds();
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });
    const names = ['a', ...Array.from({ length: 1_000 }, (_, n) => `a (${n + 1})`)];
    for (const name of names) writeFileSync(join(ends.inbox, 'alice', name), '');
    const { hand, outcome } = await offered(ends);
    const stop = watch();

    await announce(
      hand,
      0,
      Array.from({ length: 100 }, () => fileEntry('a', 1)),
    );

    expect(stop().turns).toBeGreaterThan(10);
    hand.messenger.destroy();
    await outcome;
  });

  test('is told about so many files that may be the same, and not of all', async () => {
    const ends = await twoEnds();
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });
    for (let n = 0; n < 16; n++) {
      writeFileSync(join(ends.inbox, 'alice', n === 0 ? 'a' : `a (${n})`), String.fromCharCode(65 + n));
    }
    const digests = digestsOf(Buffer.from('B'));
    const known = new KnownDigests({ find: () => ({ ...digests, synced: true }), keep: () => undefined });
    const { hand, outcome } = await offered(ends, { known, replaces: 'all' });

    const answers = await announce(
      hand,
      0,
      Array.from({ length: 1_000 }, () => fileEntry('a', 1)),
    );

    const named = answers.map((each) => (each.answer === 'check' ? each.files.length : 0));
    expect(named[0]).toBe(16);
    expect(named.reduce((sum, each) => sum + each, 0)).toBeLessThan(10_000);
    hand.messenger.destroy();
    await outcome;
  });

  test('is compared no further when its sender is gone', async () => {
    const ends = await twoEnds();
    const size = 200 * 1024 ** 3;
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });
    await using there = await open(join(ends.inbox, 'alice', 'a'), 'w');
    await there.truncate(size);
    const { hand, outcome } = await offered(ends, { workingEveryMs: 20 }, { checksum: '1' });

    await hand.say({ type: 'entries', id: 'e', first: '0' }, [fileEntry('a', size), fileEntry('a', size)]);
    await hand.hear('working');
    hand.messenger.destroy();

    expect((await outcome).error?.code).toBe('connection-closed');
  });
});

test('folders that wait for a file that never comes are not remembered without end', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await offered(ends, { sync: false });
  const deep = Array.from({ length: 200 }, () => 'x').join('/');
  await announce(hand, 0, [fileEntry('a', 1)]);

  const codes = new Set<string>();
  for (let first = 1; first < 2_000; first += 500) {
    const folders = Array.from({ length: 500 }, (_, n) => ({
      ...FACTS,
      path: `${deep}/${first + n}`,
      kind: 'dir',
      size: 0,
    }));
    for (const each of await announce(hand, first, folders)) {
      codes.add(each.answer === 'refused' ? each.code : each.answer);
    }
  }

  expect([...codes]).toEqual(['made', 'rate-limited']);
  hand.messenger.destroy();
  await outcome;
});

test('a sender without the bytes learns no digest to skip with, and gets no receipt for them', async () => {
  const ends = await twoEnds();
  const secret = Buffer.from('the salary is 4711');
  const { digest } = digestsOf(secret);
  await mkdir(join(ends.inbox, 'alice'), { recursive: true });
  await writeFile(join(ends.inbox, 'alice', 'a'), secret);
  const { hand, outcome } = await offered(ends);

  const [answer] = await announce(hand, 0, [fileEntry('a', secret.length)]);

  expect(answer).toEqual({
    answer: 'check',
    bytes: 0,
    files: [{ seal: blindedDigest(digest), path: 'alice/a' }],
  });
  expect(JSON.stringify(answer)).not.toContain(digest);
  await hand.say({ type: 'skip', entry: '0', digest: blindedDigest(digest) });
  const { header } = (await hand.hear('error', 'receipts')) ?? {};
  expect(header).toMatchObject({ type: 'error', code: 'unexpected-message' });
  await outcome;

  const honest = await offered(ends);
  await announce(honest.hand, 0, [fileEntry('a', secret.length)]);
  await honest.hand.say({ type: 'skip', entry: '0', digest });
  const receipts = await honest.hand.hear('receipts');
  expect(receipts === undefined ? [] : parseReceipts(receipts).files).toMatchObject([
    { digest, present: true },
  ]);
  honest.hand.messenger.destroy();
  await honest.outcome;
});

test('overwrite leaves what is edited at the very last moment', async () => {
  const ends = await twoEnds();
  const [source, there] = [join(ends.home, 'a'), join(ends.inbox, 'alice', 'a')];
  const old = Buffer.from('old');
  await writeFile(source, old);
  await transfer(ends, ['a']);
  await writeFile(source, 'new content');
  let isWhole = false;
  const known = new KnownDigests({
    // Asked for the last time before the file is replaced; then somebody here saves the file.
    find(): KnownDigest {
      if (isWhole) writeFileSync(there, 'edited');
      return { ...digestsOf(old), synced: true };
    },
    keep: () => undefined,
  });

  const deliveries = deliveredBefore();
  await deliveries.note('alice/a', { content: digestsOf(old).digest, mtimeNs: undefined, job: 'earlier' });
  const { sent } = await transfer(ends, ['a'], {
    send: { onConflict: 'overwrite' },
    receive: {
      known,
      deliveries,
      on: (event) => {
        if (event.type === 'progress' && event.fileBytes === event.fileSize) isWhole = true;
      },
    },
  });

  await turn();
  expect(sent.files).toMatchObject([{ status: 'delivered', path: 'alice/a (1)' }]);
  expect(await readFile(there, 'utf8')).toBe('edited');
});
