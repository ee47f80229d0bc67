import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  FileDigests,
  receiveFiles,
  sendFiles,
  SharedReads,
  type Channel,
  type ReceiveOptions,
  type SendEvent,
  type SendOptions,
  type SendOutcome,
} from '@filer/transfer';
import { connected, receiveOptions, sendOptions, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;
const NAMES = ['bob', 'carol', 'dave'] as const;
type Name = (typeof NAMES)[number];

interface Recipient {
  readonly through?: (channel: Channel) => Channel;
  readonly send?: Partial<SendOptions>;
  readonly receive?: Partial<ReceiveOptions>;
}

/** Sends files to several recipients at once, who share one network and key but not their inboxes. */
async function toAll(
  ends: TwoEnds,
  files: readonly string[],
  reads: SharedReads,
  recipients: Partial<Record<Name, Recipient>> = { bob: {}, carol: {}, dave: {} },
): Promise<Partial<Record<Name, SendOutcome>>> {
  const outcomes: Partial<Record<Name, SendOutcome>> = {};
  const to = async (
    name: Name,
    { send, receive, through = (channel) => channel }: Recipient,
  ): Promise<void> => {
    const { dialler, accepter } = await connected();
    const inbox = join(ends.inbox, name);
    [outcomes[name]] = await Promise.all([
      sendFiles(through(dialler), sendOptions(ends, files, { reads, ...send })),
      receiveFiles(accepter, receiveOptions({ ...ends, inbox }, receive)),
    ]);
  };
  await Promise.all(
    NAMES.flatMap((name) => (recipients[name] === undefined ? [] : to(name, recipients[name]))),
  );
  return outcomes;
}

async function received(ends: TwoEnds, name: Name, file: string): Promise<Buffer> {
  return readFile(join(ends.inbox, name, 'alice', file));
}

/** A receiver that answers the offer once `free` is settled. */
function heldUntil(free: Promise<unknown>): Partial<ReceiveOptions> {
  return {
    policy: {
      accept: async () => {
        await free;
        return undefined;
      },
    },
  };
}

/** A connection that is stuck after three chunks, until `free` is settled. */
function stuckUntil(free: Promise<unknown>, channel: Channel): Channel {
  let chunks = 0;
  return {
    closed: channel.closed,
    [Symbol.asyncIterator]: () => channel[Symbol.asyncIterator](),
    reject: (error) => channel.reject(error),
    send: async (header, content) => {
      if (header['type'] === 'chunk' && ++chunks > 3) await free;
      await channel.send(header, content);
    },
  };
}

/** Connections on which the first stream continues only when it has begun on each of them. */
function together(count: number): (channel: Channel) => Channel {
  let missing = count;
  const all = Promise.withResolvers<void>();
  return (channel) => {
    let begun = false;
    return {
      closed: channel.closed,
      [Symbol.asyncIterator]: () => channel[Symbol.asyncIterator](),
      reject: (error) => channel.reject(error),
      send: async (header, content) => {
        await channel.send(header, content);
        if (header['type'] !== 'file' || begun) return;
        begun = true;
        if (--missing === 0) all.resolve();
        await all.promise;
      },
    };
  };
}

test('one reading serves three recipients, of large files and of small ones', async () => {
  const ends = await twoEnds();
  const large = randomBytes(9 * MiB + 77);
  await writeFile(join(ends.home, 'large'), large);
  const small = Array.from({ length: 200 }, (_, n) => `small${n}`);
  let bytes = large.length;
  for (const name of small) {
    const content = randomBytes(1 + ((name.length * 7919) % 5000));
    bytes += content.length;
    await writeFile(join(ends.home, name), content);
  }
  const reads = new SharedReads();
  const through = together(3);

  const outcomes = await toAll(ends, ['large', ...small], reads, {
    bob: { through },
    carol: { through },
    dave: { through },
  });

  for (const name of NAMES) {
    expect(outcomes[name]).toMatchObject({ ok: true, filesDelivered: 201 });
    expect((await received(ends, name, 'large')).equals(large)).toBe(true);
  }
  expect(reads.bytesRead).toBe(bytes);
});

test('block digests serve a recipient that has an older version, too', async () => {
  const ends = await twoEnds();
  const content = randomBytes(7 * MiB + 5);
  await writeFile(join(ends.home, 'a'), content);
  const older = Buffer.from(content);
  older[3 * MiB + 9] = (older[3 * MiB + 9] ?? 0) ^ 1;
  await mkdir(join(ends.inbox, 'carol', 'alice'), { recursive: true });
  await writeFile(join(ends.inbox, 'carol', 'alice', 'a'), older);
  const reads = new SharedReads();

  const { bob, carol } = await toAll(ends, ['a'], reads, { bob: {}, carol: {} });

  expect(bob).toMatchObject({ ok: true, bytesSent: content.length });
  expect(carol).toMatchObject({ ok: true, bytesSent: MiB });
  expect((await received(ends, 'carol', 'a (1)')).equals(content)).toBe(true);
});

test('who comes when the others are through reads for itself, and digests nothing again', async () => {
  const ends = await twoEnds();
  const content = randomBytes(40 * MiB);
  await writeFile(join(ends.home, 'a'), content);
  const reads = new SharedReads();
  await toAll(ends, ['a'], reads, { bob: {} });

  const { carol } = await toAll(ends, ['a'], reads, { carol: {} });

  expect(carol?.ok).toBe(true);
  expect((await received(ends, 'carol', 'a')).equals(content)).toBe(true);
  expect(reads.bytesRead).toBe(2 * content.length);
});

test('a recipient that falls behind the window holds no one up, and gets the file', async () => {
  const ends = await twoEnds();
  const content = randomBytes(40 * MiB);
  await writeFile(join(ends.home, 'a'), content);
  const reads = new SharedReads();
  const bobIsThrough = Promise.withResolvers<void>();
  const meet = together(2);

  const { bob, carol } = await toAll(ends, ['a'], reads, {
    bob: { through: meet, send: { on: ({ type }) => void (type === 'file' && bobIsThrough.resolve()) } },
    carol: { through: (channel) => meet(stuckUntil(bobIsThrough.promise, channel)) },
  });

  expect([bob?.ok, carol?.ok]).toEqual([true, true]);
  // Of what she missed she found the end in the window.
  expect(reads.bytesRead).toBeGreaterThan(content.length + 15 * MiB);
  expect(reads.bytesRead).toBeLessThan(content.length + 40 * MiB);
  expect((await received(ends, 'carol', 'a')).equals(content)).toBe(true);
});

test('when the one that is ahead is lost, the others continue from there', async () => {
  const ends = await twoEnds();
  const content = randomBytes(30 * MiB);
  await writeFile(join(ends.home, 'a'), content);
  const reads = new SharedReads();
  const lost = new AbortController();
  const bobIsLost = Promise.withResolvers<void>();
  const cutAt = (event: SendEvent): void => {
    if (event.type !== 'progress' || event.fileBytes < 12 * MiB) return;
    lost.abort(new Error('lost'));
    bobIsLost.resolve();
  };

  const { bob, carol, dave } = await toAll(ends, ['a'], reads, {
    bob: { send: { signal: lost.signal, on: cutAt } },
    carol: { receive: heldUntil(bobIsLost.promise) },
    dave: { receive: heldUntil(bobIsLost.promise) },
  });

  expect([bob?.ok, carol?.ok, dave?.ok]).toEqual([false, true, true]);
  for (const name of ['carol', 'dave'] as const)
    expect((await received(ends, name, 'a')).equals(content)).toBe(true);
});

test('a file that changes under it reaches everyone as it is now', async () => {
  const ends = await twoEnds();
  const file = join(ends.home, 'a');
  await writeFile(file, randomBytes(12 * MiB));
  const reads = new SharedReads();
  let changed = false;
  const change = (event: SendEvent): void => {
    if (changed || event.type !== 'progress' || event.fileBytes < 4 * MiB) return;
    changed = true;
    appendFileSync(file, 'more');
  };

  const outcomes = await toAll(ends, ['a'], reads, { bob: { send: { on: change } }, carol: {}, dave: {} });

  const now = await readFile(file);
  for (const name of NAMES) {
    expect(outcomes[name]?.ok).toBe(true);
    expect((await received(ends, name, 'a')).equals(now)).toBe(true);
  }
});

test('a small file that changed between two recipients is read again', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'one');
  const reads = new SharedReads();
  await toAll(ends, ['a'], reads, { bob: {} });
  await writeFile(join(ends.home, 'a'), 'other');

  await toAll(ends, ['a'], reads, { carol: {} });

  expect((await received(ends, 'bob', 'a')).toString()).toBe('one');
  expect((await received(ends, 'carol', 'a')).toString()).toBe('other');
});

test.each([0, 1, MiB - 1, MiB, MiB + 1, 3 * MiB, 3 * MiB + 1])(
  'block by block %i bytes have the digests that they have in other pieces',
  (size) => {
    const content = randomBytes(size);
    const [whole, inBlocks] = [new FileDigests(), new FileDigests()];
    whole.update(content);
    for (let at = 0; at < size; at += MiB) {
      const block = content.subarray(at, at + MiB);
      const alone = new FileDigests();
      alone.update(block);
      expect(`blake3:${inBlocks.addBlock(block).toString('hex')}`).toBe(alone.finish().digest);
    }

    expect(inBlocks.finish()).toEqual(whole.finish());
  },
);
