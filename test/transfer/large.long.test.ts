import { createHash } from 'node:crypto';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PART_PREFIX, receiveFiles } from '@filer/transfer';
import { connected, receiveOptions, transfer, twoEnds } from './two-ends.ts';
import { Hand } from './by-hand.ts';

const GB = 1_000_000_000;
const MiB = 1024 * 1024;
/** Both ends are in this one process. */
const MOST_BYTES = 256 * MiB;

/** What the part of a file is called, from its sender and its place. */
function keyOf(senderId: string, path: string): string {
  return createHash('sha256').update(`${senderId}\0${path}`).digest('hex').slice(0, 40);
}

/** Looks at the memory now and then. */
class Memory {
  readonly #atStart = process.memoryUsage().rss;
  #peak = 0;
  #looks = 0;

  look(): void {
    if (this.#looks++ % 1_000 === 0) this.#peak = Math.max(this.#peak, process.memoryUsage().rss);
  }

  get grown(): number {
    return this.#peak - this.#atStart;
  }
}

test('100,000 files arrive in flat memory, and are not sent twice', async () => {
  const ends = await twoEnds();
  const tree = join(ends.home, 'tree');
  for (let n = 0; n < 100_000; n++) {
    const folder = join(tree, String(n % 300));
    if (n < 300) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file ${n}`), `content of ${n}`);
  }
  const memory = new Memory();

  const { sent } = await transfer(ends, ['tree'], { send: { on: () => memory.look() } });
  expect(sent).toMatchObject({ ok: true, filesDelivered: 100_000 });
  const { sent: again } = await transfer(ends, ['tree'], { send: { on: () => memory.look() } });

  expect(again).toMatchObject({ ok: true, filesSkipped: 100_000, bytesSent: 0 });
  expect(memory.grown).toBeLessThan(MOST_BYTES);
});

test('a million empty files that an evil sender announces cost no memory', async () => {
  const ends = await twoEnds();
  const { dialler, accepter } = await connected();
  const hand = new Hand(dialler);
  const memory = new Memory();
  const outcome = receiveFiles(accepter, receiveOptions(ends, { on: () => memory.look() }));
  await hand.say(
    { type: 'offer', id: 'o', job: 'j', complete: '0', files: '0', bytes: '0' },
    { names: [], note: '' },
  );
  await hand.hear('answer');
  for (let first = 0; first < 1_000_000; first += 1_000) {
    const entries = Array.from({ length: 1_000 }, (_, n) => ({
      path: `..//${first + n}`,
      ...{ kind: 'file', size: 0, mtimeNs: '0', mode: 0o644 },
    }));
    await hand.say({ type: 'entries', id: String(first), first: String(first) }, entries);
    await hand.hear('entries-answer');
  }
  dialler.socket.destroy();

  expect(await outcome).toMatchObject({ filesFailed: 1_000_000 });
  expect(memory.grown).toBeLessThan(MOST_BYTES);
  expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
});

test('a sparse file of 25 GB that was cut off at its end continues in flat memory', async () => {
  const ends = await twoEnds();
  const file = join(ends.home, 'sparse');
  writeFileSync(file, '');
  truncateSync(file, 25 * GB);
  // What an earlier try left is all of it but its last byte: it takes no room on the disk either.
  await mkdir(ends.inbox);
  const part = `${PART_PREFIX}kept-${keyOf(ends.sender.id, 'alice/sparse')}`;
  writeFileSync(join(ends.inbox, part), '');
  truncateSync(join(ends.inbox, part), 25 * GB - 1);
  const memory = new Memory();

  const { sent } = await transfer(ends, ['sparse'], {
    send: { on: () => memory.look() },
    receive: { sync: true },
  });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(sent.bytesSent).toBeLessThanOrEqual(MiB);
  expect((await stat(join(ends.inbox, 'alice', 'sparse'))).size).toBe(25 * GB);
  expect(memory.grown).toBeLessThan(MOST_BYTES);
});
