import { randomBytes } from 'node:crypto';
import { closeSync, lstatSync, openSync, truncateSync, writeSync } from 'node:fs';
import {
  appendFile,
  chmod,
  mkdir,
  open,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseReceiptBatch, type Digests, type OnConflict, type ReceiptBatch } from '@filer/protocol';
import {
  identityOf,
  KnownDigests,
  PART_PREFIX,
  verifyReceipts,
  type ReceivedFile,
  type ReceiveOptions,
} from '@filer/transfer';
import { digestsOf, withReceiver } from './by-hand.ts';
import { deliveredBefore } from './delivered-before.ts';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

async function withFile(content: string | Buffer): Promise<TwoEnds> {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a.bin'), content);
  return ends;
}

/** What is in the sender's folder. */
async function there(ends: TwoEnds): Promise<Record<string, string>> {
  const folder = join(ends.inbox, 'alice');
  const files: Record<string, string> = {};
  for (const name of await readdir(folder)) files[name] = await readFile(join(folder, name), 'utf8');
  return files;
}

describe('what is there byte for byte is not sent again:', () => {
  test.each([0, 5, 300_000, 5 * MiB])('a file of %d bytes', async (size) => {
    const ends = await withFile(randomBytes(size));
    await transfer(ends, ['a.bin']);

    const { sent, received } = await transfer(ends, ['a.bin']);

    expect(sent).toMatchObject({ ok: true, bytesSent: 0, filesDelivered: 0, filesSkipped: 1 });
    expect(sent.files).toMatchObject([{ status: 'skipped', path: 'alice/a.bin' }]);
    expect(received).toMatchObject({ ok: true, bytesReceived: 0, filesSkipped: 1 });
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['a.bin']);
    expect((await readdir(ends.inbox)).filter((name) => name.startsWith(PART_PREFIX))).toEqual([]);
  });

  test('an earlier name (n)', async () => {
    const ends = await withFile('one');
    const receive = { deliveries: deliveredBefore() };
    for (const content of ['one', 'two', 'six']) {
      await writeFile(join(ends.home, 'a.bin'), content);
      await transfer(ends, ['a.bin'], { receive });
    }
    await writeFile(join(ends.home, 'a.bin'), 'two');

    const { sent } = await transfer(ends, ['a.bin'], { receive });

    expect(sent.files).toMatchObject([{ status: 'skipped', path: 'alice/a (1).bin' }]);
    expect(await there(ends)).toEqual({ 'a.bin': 'one', 'a (1).bin': 'two', 'a (2).bin': 'six' });
  });

  test('a whole tree, of which only what changed goes', async () => {
    const ends = await twoEnds();
    for (let n = 0; n < 500; n++) {
      const folder = join(ends.home, 'tree', String(n % 10));
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, String(n)), `content of ${n}`);
    }
    await transfer(ends, ['tree']);
    await appendFile(join(ends.home, 'tree', '3', '13'), '!');

    const { sent } = await transfer(ends, ['tree']);

    expect(sent).toMatchObject({ ok: true, filesSkipped: 499, filesDelivered: 1 });
    expect(sent.bytesSent).toBe('content of 13!'.length);
  });

  test('but a file of the same size and time, and another content, is', async () => {
    const ends = await withFile('one');
    await utimes(join(ends.home, 'a.bin'), 1, 1);
    await transfer(ends, ['a.bin']);
    await writeFile(join(ends.home, 'a.bin'), 'two');
    await utimes(join(ends.home, 'a.bin'), 1, 1);

    await transfer(ends, ['a.bin']);

    expect(await there(ends)).toEqual({ 'a.bin': 'one', 'a (1).bin': 'two' });
  });

  describe('and has the time and the permissions that it has at its sender,', () => {
    const [old, now] = [1_500_000_000, 1_600_000_000];
    const at = async (ends: TwoEnds): Promise<number[]> => {
      const { mtimeMs, mode } = await stat(join(ends.inbox, 'alice', 'a.bin'));
      return [Math.floor(mtimeMs / 1000), mode & 0o7777];
    };
    const sendTwice = async (
      ends: TwoEnds,
      delivered: boolean,
      onConflict: OnConflict,
      remembered: boolean,
    ) => {
      const file = join(ends.home, 'a.bin');
      await utimes(file, old, old);
      await chmod(file, 0o644);
      const deliveries = deliveredBefore();
      await transfer(ends, ['a.bin'], { receive: { deliveries } });
      const receive = delivered ? { deliveries } : {};
      await utimes(file, now, now);
      await chmod(file, 0o4755);
      const known = new KnownDigests();
      // A sender that remembers names the digest, one that does not is asked to compare.
      if (remembered) await transfer(ends, ['a.bin'], { send: { known, onConflict: 'skip' }, receive });
      const { sent } = await transfer(ends, ['a.bin'], { send: { known, onConflict }, receive });
      expect(sent).toMatchObject({ ok: true, bytesSent: 0, filesSkipped: 1 });
    };

    test.each([true, false])(
      'where that sender delivered it (it remembers its digest: %s)',
      async (remembered) => {
        const ends = await withFile('content');
        await sendTwice(ends, true, 'rename', remembered);
        expect(await at(ends)).toEqual([now, 0o755]);
      },
    );

    test.each([
      ['another brought it', false, 'rename'],
      ['what is there is kept', true, 'skip'],
    ] as const)('but not where %s', async (_, delivered, onConflict) => {
      const ends = await withFile('content');
      await sendTwice(ends, delivered, onConflict, false);
      expect(await at(ends)).toEqual([old, 0o644]);
    });
  });

  test('but what a link leads to does not count', async () => {
    const ends = await withFile('content');
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });
    await symlink(join(ends.home, 'a.bin'), join(ends.inbox, 'alice', 'a.bin'));

    const { sent } = await transfer(ends, ['a.bin']);

    expect(sent.files).toMatchObject([{ status: 'delivered', path: 'alice/a (1).bin' }]);
  });
});

describe('remembered digests', () => {
  const twoOf = (text: string): Digests => digestsOf(Buffer.from(text));
  const fileChangedAt = (ms: number, ino = ms): string => `1:${ino}:5:0:${ms * 1_000_000}`;

  /** Content that is read, counted by what is asked of a memory that always forgets. */
  function asking(known: KnownDigests): string[] {
    const asked: string[] = [];
    const find = known.find.bind(known);
    known.find = (identity) => {
      asked.push(identity);
      return find(identity);
    };
    return asked;
  }

  test('are not asked where contents are to be compared', async () => {
    const ends = await withFile('one');
    await transfer(ends, ['a.bin']);
    const known = new KnownDigests();
    const asked = asking(known);

    await transfer(ends, ['a.bin'], { send: { known, checksum: true }, receive: { known } });
    expect(asked).toEqual([]);
    await transfer(ends, ['a.bin'], { send: { known }, receive: { known } });
    expect(asked.length).toBeGreaterThan(0);
  });

  test('spare reading on both sides from the second time on, and the file is signed for all the same', async () => {
    const ends = await withFile('one');
    const source = join(ends.home, 'a.bin');
    await utimes(source, 1_000, 1_000);
    const [ours, theirs] = [new KnownDigests(), new KnownDigests()];
    const options = { send: { known: ours }, receive: { known: theirs } };
    await transfer(ends, ['a.bin'], options);
    const remembers = (): boolean => ours.find(identityOf(lstatSync(source, { bigint: true }))) !== undefined;
    // The source was made within the two seconds before it was read.
    expect(remembers()).toBe(false);
    ours.keepRead(identityOf(lstatSync(source, { bigint: true })), twoOf('one'), Date.now() + 2_000);
    expect(remembers()).toBe(true);
    const opened: string[] = [];
    const placed = join(ends.inbox, 'alice', 'a.bin');
    expect(theirs.find(identityOf(lstatSync(placed, { bigint: true })))).toMatchObject(twoOf('one'));

    const kept: ReceiptBatch[] = [];
    const { sent } = await transfer(ends, ['a.bin'], {
      send: { known: ours, keep: (batch) => void kept.push(batch) },
      receive: { known: theirs, record: ({ path }) => void opened.push(path) },
    });

    expect(sent).toMatchObject({ ok: true, bytesSent: 0, filesSkipped: 1, filesKept: 0 });
    expect(kept[0]?.files).toMatchObject([
      { name: 'a.bin', path: 'alice/a.bin', present: true, ...twoOf('one') },
    ]);
    expect(opened).toEqual([]); // what is remembered is noted already
  });

  test('make the receipts of an unchanged tree the same ones each time, and its files keep what they are', async () => {
    const ends = await twoEnds();
    await mkdir(join(ends.home, 'tree'));
    for (let n = 0; n < 250; n++) {
      const file = join(ends.home, 'tree', String(n));
      await writeFile(file, `content of ${n}`);
      await utimes(file, 1_000 + n, 1_000 + n);
    }
    const send = { known: new KnownDigests() };
    const receive = { known: new KnownDigests(), replaces: 'all' } as const;
    const receipts = async (): Promise<ReceiptBatch['files'][]> => {
      const kept: ReceiptBatch[] = [];
      const keep = (batch: ReceiptBatch): void => void kept.push(batch);
      const { sent } = await transfer(ends, ['tree'], { send: { ...send, keep }, receive });
      expect(sent).toMatchObject({ ok: true, bytesSent: 0, filesSkipped: 250 });
      return kept.map(({ files }) => files);
    };
    await transfer(ends, ['tree'], { send, receive });
    await transfer(ends, ['tree'], { send, receive }); // read to be compared: the tree was too new to be remembered
    for (const name of await readdir(join(ends.home, 'tree'))) {
      const stats = lstatSync(join(ends.home, 'tree', name), { bigint: true });
      send.known.keepRead(identityOf(stats), twoOf(`content of ${name}`), Date.now() + 2_000);
    }

    const first = await receipts();
    const second = await receipts();

    expect(first.flat()).toHaveLength(250);
    expect(second).toEqual(first);
    const one = join(ends.inbox, 'alice', 'tree', '1');
    await chmod(one, 0o600);
    expect((await receipts()).flat()).toHaveLength(250);
    expect((await stat(one)).mode & 0o777).toBe((await stat(join(ends.home, 'tree', '1'))).mode & 0o777);
  });

  test('are not kept of a file that changed within two seconds before it was read, and forget the oldest', () => {
    const known = new KnownDigests();

    known.keepRead(fileChangedAt(8_001), twoOf('d'), 10_000);
    expect(known.find(fileChangedAt(8_001))).toBeUndefined();
    known.keepRead(fileChangedAt(8_000), twoOf('d'), 10_000);
    expect(known.find(fileChangedAt(8_000))).toMatchObject(twoOf('d'));
  });

  test('are kept of a file that was received, unless its time is as new as a write to it would be', async () => {
    const ends = await withFile('one');
    const source = join(ends.home, 'a.bin');
    const placed = join(ends.inbox, 'alice', 'a.bin');
    const known = new KnownDigests();
    const remembered = (): unknown => known.find(identityOf(lstatSync(placed, { bigint: true })));

    await transfer(ends, ['a.bin'], { receive: { known } });
    expect(remembered()).toBeUndefined();
    await rm(placed);
    await utimes(source, 1_000, 1_000);
    await transfer(ends, ['a.bin'], { receive: { known } });
    expect(remembered()).toMatchObject({ ...twoOf('one'), synced: false });
    await writeFile(placed, 'two');
    expect(remembered()).toBeUndefined();
  });
});

describe('a receipt of what was there', () => {
  async function receiptOfSecond(
    ends: TwoEnds,
    first: Partial<ReceiveOptions> | undefined,
    second: Partial<ReceiveOptions>,
  ): Promise<ReceiptBatch['files'][number] | undefined> {
    if (first !== undefined) await transfer(ends, ['a.bin'], { receive: first });
    const kept: ReceiptBatch[] = [];
    const { sent } = await transfer(ends, ['a.bin'], {
      receive: second,
      send: { keep: (batch) => void kept.push(batch) },
    });
    expect(sent).toMatchObject({ ok: true, filesSkipped: 1 });
    const [batch] = kept.map((each) => parseReceiptBatch(JSON.parse(JSON.stringify(each))));
    if (batch !== undefined) verifyReceipts(batch);
    return batch?.files[0];
  }

  test('says that it is on the disk only when its receiver brought it there', async () => {
    const ends = await withFile('one');
    const known = new KnownDigests();
    expect(await receiptOfSecond(ends, { known, sync: false }, { known, sync: false })).toMatchObject({
      present: true,
      synced: false,
    });
    expect(await receiptOfSecond(ends, undefined, { known, sync: true })).toMatchObject({ synced: true });
  });

  test('is given, and noted once, for a file that somebody else put there', async () => {
    const ends = await withFile('one');
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });
    await writeFile(join(ends.inbox, 'alice', 'a.bin'), 'one');
    const noted: ReceivedFile[] = [];

    const file = await receiptOfSecond(ends, undefined, { record: (each) => void noted.push(each) });

    expect(file).toMatchObject({ path: 'alice/a.bin', present: true, size: 3 });
    expect(noted).toMatchObject([{ path: 'alice/a.bin', present: true }]);
  });

  test('is not given where the conflict rule keeps a file that no one compared', async () => {
    const ends = await withFile('one');
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });
    await writeFile(join(ends.inbox, 'alice', 'a.bin'), 'two');
    const kept: ReceiptBatch[] = [];

    const { sent, received } = await transfer(ends, ['a.bin'], {
      send: { onConflict: 'skip', keep: (batch) => void kept.push(batch) },
    });

    expect(kept).toEqual([]);
    for (const side of [sent, received])
      expect(side).toMatchObject({ ok: true, filesSkipped: 1, filesKept: 1, files: [{ kept: true }] });
  });
});

describe('of a new version of a large file only the blocks go that differ:', () => {
  const base = randomBytes(20 * MiB + 777);
  const versions: [string, number, (content: Buffer) => Buffer][] = [
    [
      'one byte changed',
      MiB,
      (content) => {
        content[10 * MiB + 5] = (content[10 * MiB + 5] ?? 0) ^ 1;
        return content;
      },
    ],
    ['it grew', 3 * MiB, (content) => Buffer.concat([content, randomBytes(2 * MiB)])],
    ['it shrank', MiB, (content) => content.subarray(0, 12 * MiB + 99)],
  ];
  test.each(versions)('%s', async (_, most, change) => {
    const ends = await withFile(base);
    await transfer(ends, ['a.bin']);
    const now = change(Buffer.from(base));
    await writeFile(join(ends.home, 'a.bin'), now);

    const { sent } = await transfer(ends, ['a.bin']);

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    expect(sent.bytesSent).toBeLessThanOrEqual(most);
    const folder = join(ends.inbox, 'alice');
    expect(now.equals(await readFile(join(folder, 'a (1).bin')))).toBe(true);
    expect(base.equals(await readFile(join(folder, 'a.bin')))).toBe(true); // never in place
  });

  test('a source that changes after it was compared is sent as it is now, wherever it changed', async () => {
    const ends = await withFile(base);
    await transfer(ends, ['a.bin']);
    const source = join(ends.home, 'a.bin');
    const [early, late] = [Buffer.from('first change'), Buffer.from('second change')];
    const write = (content: Buffer, position: number): void => {
      const descriptor = openSync(source, 'r+');
      writeSync(descriptor, content, 0, content.length, position);
      closeSync(descriptor);
    };
    write(early, 5 * MiB);
    let times = 0;

    const { sent } = await transfer(ends, ['a.bin'], {
      send: {
        on: ({ type }) => {
          // In a block that went already, or is the same at the receiver: no one reads it any more.
          if (type === 'progress' && ++times === 8) write(late, 15 * MiB);
        },
      },
    });

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    const now = await readFile(source);
    expect(now.includes(late)).toBe(true);
    expect(now.equals(await readFile(join(ends.inbox, 'alice', 'a (1).bin')))).toBe(true);
  });

  test('an older version that changes meanwhile costs a second stream, and no wrong byte arrives', async () => {
    const ends = await withFile(base);
    await transfer(ends, ['a.bin']);
    await appendFile(join(ends.home, 'a.bin'), 'more');
    const old = await open(join(ends.inbox, 'alice', 'a.bin'), 'r+');
    let written: Promise<unknown> | undefined;

    const { sent } = await transfer(ends, ['a.bin'], {
      receive: {
        on: (event) => {
          if (event.type === 'progress') written ??= old.write(Buffer.alloc(MiB, 1), 0, MiB, 19 * MiB);
        },
      },
    });
    await written;
    await old.close();

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    const source = await readFile(join(ends.home, 'a.bin'));
    expect(source.equals(await readFile(join(ends.inbox, 'alice', 'a (1).bin')))).toBe(true);
  });

  test('an older version that is cut off meanwhile is sent whole', async () => {
    const ends = await withFile(base);
    await transfer(ends, ['a.bin']);
    await appendFile(join(ends.home, 'a.bin'), 'more');
    let cut = false;

    const { sent, received } = await transfer(ends, ['a.bin'], {
      receive: {
        on: (event) => {
          if (event.type !== 'progress' || cut) return;
          cut = true;
          truncateSync(join(ends.inbox, 'alice', 'a.bin'), 3 * MiB);
        },
      },
    });

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    expect(received).toMatchObject({ ok: true, filesDelivered: 1 });
    const source = await readFile(join(ends.home, 'a.bin'));
    expect(source.equals(await readFile(join(ends.inbox, 'alice', 'a (1).bin')))).toBe(true);
    expect(await readdir(ends.inbox)).toEqual(['alice']);
  });
});

describe('on a conflict', () => {
  /** Sends `old` and then `new` under one name; the second is newer unless said otherwise. */
  async function conflict(onConflict: OnConflict, options: { mine: boolean; newer?: boolean }) {
    const ends = await withFile('old content');
    const source = join(ends.home, 'a.bin');
    const receive = options.mine ? { deliveries: deliveredBefore() } : {};
    await utimes(source, 1_000, 1_000);
    await transfer(ends, ['a.bin'], { receive });
    await writeFile(source, 'new');
    const at = options.newer === false ? 900 : 1_100;
    await utimes(source, at, at);
    const { sent } = await transfer(ends, ['a.bin'], { receive, send: { onConflict } });
    return { ends, source, receive, status: sent.files[0]?.status, files: await there(ends) };
  }
  const both = { 'a.bin': 'old content', 'a (1).bin': 'new' };

  test('rename keeps both', async () => {
    expect(await conflict('rename', { mine: true })).toMatchObject({ status: 'delivered', files: both });
  });

  test('skip keeps the one that is there, whichever machine brought it', async () => {
    const kept = { status: 'skipped', files: { 'a.bin': 'old content' } };
    expect(await conflict('skip', { mine: true })).toMatchObject(kept);
    expect(await conflict('skip', { mine: false })).toMatchObject(kept);
  });

  test('overwrite replaces what the same sender delivered, and nothing else', async () => {
    const replaced = await conflict('overwrite', { mine: true, newer: false });
    expect(replaced.files).toEqual({ 'a.bin': 'new' });
    expect((await conflict('overwrite', { mine: false })).files).toEqual(both);
  });

  test('overwrite leaves what was edited since, and a folder', async () => {
    const { ends, source, receive } = await conflict('overwrite', { mine: true });
    await writeFile(join(ends.inbox, 'alice', 'a.bin'), 'edited');
    await writeFile(source, 'newest');
    await transfer(ends, ['a.bin'], { receive, send: { onConflict: 'overwrite' } });
    expect(await there(ends)).toEqual({ 'a.bin': 'edited', 'a (1).bin': 'newest' });

    await rm(join(ends.inbox, 'alice'), { recursive: true });
    await mkdir(join(ends.inbox, 'alice', 'a.bin'), { recursive: true });
    await transfer(ends, ['a.bin'], { receive, send: { onConflict: 'overwrite' } });
    expect(await readdir(join(ends.inbox, 'alice', 'a.bin'))).toEqual([]);
  });

  test('newer replaces an older one of the same sender, and skips where the one there is newer', async () => {
    expect((await conflict('newer', { mine: true })).files).toEqual({ 'a.bin': 'new' });
    expect((await conflict('newer', { mine: false })).files).toEqual(both);
    const kept = await conflict('newer', { mine: true, newer: false });
    expect(kept).toMatchObject({ status: 'skipped', files: { 'a.bin': 'old content' } });
  });
});

test('a sender skips nothing but what it was asked to check', async () => {
  const ends = await twoEnds();
  const { hand } = await withReceiver(ends);
  await hand.offer({ a: 10 });

  await hand.say({ type: 'skip', entry: '0', digest: 'blake3:'.padEnd(71, '0') });

  expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
});
