import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeldBlocks } from '@filer/transfer';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { begunTogether, halfway } from '../../support/begun-together.ts';
import { until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';

const MiB = 1024 * 1024;
const TO = ['bob', 'carol', 'dave'];

let network: NetworkHere;
let anna: ClientHere;
const clients = new Map<string, ClientHere>();

beforeAll(async () => {
  network = await NetworkHere.open();
  for (const name of TO) clients.set(name, await network.add(name));
  anna = await network.add('anna');
  for (const name of TO) await anna.sees(name);
});
afterAll(() => network[Symbol.asyncDispose]());

async function hasIt(name: string, file: string, content: Buffer): Promise<boolean> {
  return (await readFile(join(network.home(name), 'inbox', 'anna', file))).equals(content);
}

async function haveIt(file: string, content: Buffer): Promise<boolean[]> {
  return await Promise.all(TO.map((name) => hasIt(name, file, content)));
}

interface Row {
  readonly name: string;
  readonly state: string;
  readonly via?: readonly { readonly name: string; readonly bytes: number }[];
}

function rowsOf(done: Line): readonly Row[] {
  return done['recipients'] as Row[];
}

function passedOn(done: Line): number {
  return rowsOf(done)
    .flatMap(({ via = [] }) => via)
    .reduce((sum, { bytes }) => sum + bytes, 0);
}

async function fileOf(name: string, content: Buffer): Promise<string> {
  const file = join(network.folder, name);
  await writeFile(file, content);
  return file;
}

test('one that goes in the middle holds no one up, and gets what it lacks when it is back', async () => {
  const content = randomBytes(8 * MiB + 7);
  const file = await fileOf('gone', content);
  const half = halfway(3, 4 * MiB);
  const sending = anna.ask('send', file, '--to', TO.join(','), '--queue');
  await half.reached;

  await clients.get('bob')?.[Symbol.asyncDispose]();
  half.release();
  for (const name of ['carol', 'dave'])
    await until(
      () => hasIt(name, 'gone', content).catch(() => false),
      (isThere) => isThere,
    );
  expect(await hasIt('bob', 'gone', content).catch(() => false)).toBe(false);

  clients.set('bob', await (await network.start(network.home('bob'))).connected());
  expect(rowsOf(await sending).map(({ name, state }) => [name, state])).toEqual(
    TO.map((name) => [name, 'delivered']),
  );
  expect(await haveIt('gone', content)).toEqual([true, true, true]);
});

test('a sender that stops in the middle of a race continues it when it is there again', async () => {
  const content = randomBytes(16 * MiB + 7);
  const file = await fileOf('resumed', content);
  const half = halfway(3, 8 * MiB);
  const sending = anna.run('send', file, '--to', TO.join(','), '--queue', '--json');
  await half.reached;

  const stopping = anna[Symbol.asyncDispose]();
  half.release();
  await stopping;
  await sending;
  vi.restoreAllMocks();
  anna = await (await network.start(anna.home)).connected();

  for (const name of TO)
    await until(
      () => hasIt(name, 'resumed', content).catch(() => false),
      (isThere) => isThere,
    );
  expect(await haveIt('resumed', content)).toEqual([true, true, true]);
});

test.each<[string, (content: Buffer | undefined) => Buffer | undefined]>([
  ['give other blocks than they were asked for', (content) => content?.fill(1)],
  ['have nothing of what they were named for', () => undefined],
])('where all %s, the sender serves all', async (_, changed) => {
  const content = randomBytes(8 * MiB + 7);
  const file = await fileOf('lied', content);
  // oxlint-disable-next-line typescript/unbound-method -- called with its blocks below
  const { read } = HeldBlocks.prototype;
  const reads = vi.spyOn(HeldBlocks.prototype, 'read').mockImplementation(async function (
    this: HeldBlocks,
    ...which
  ) {
    return changed(await read.apply(this, which));
  });
  onTestFinished(() => reads.mockRestore());
  begunTogether(3);

  const done = await anna.ask('send', file, '--to', TO.join(','));

  expect(done).toMatchObject({ ok: true, filesSent: 3 });
  expect(reads).toHaveBeenCalled();
  expect(passedOn(done)).toBe(0);
  expect(Number(done['bytesSent'])).toBeGreaterThanOrEqual(3 * content.length);
  expect(await haveIt('lied', content)).toEqual([true, true, true]);
});

test("what one has already is skipped, what changed is passed on, and the limit is the sender's own", async () => {
  const content = randomBytes(8 * MiB);
  const file = await fileOf('changed', content);
  expect(await anna.ask('send', file, '--to', 'dave')).toMatchObject({ ok: true, bytesSent: content.length });
  begunTogether(3);
  const first = await anna.ask('send', file, '--to', TO.join(','), '--limit', '64MB/s');
  expect(first).toMatchObject({ ok: true, filesSent: 2, filesSkipped: 1 });
  expect(await haveIt('changed', content)).toEqual([true, true, true]);

  content.fill(7, 2 * MiB, 3 * MiB);
  await writeFile(file, content);
  vi.restoreAllMocks();
  begunTogether(3);
  const second = await anna.ask('send', file, '--to', TO.join(','));

  expect(second).toMatchObject({ ok: true, filesSent: 3 });
  // A block of each of the three at most, and nothing of what they have.
  expect(Number(second['bytesSent']) + passedOn(second)).toBeLessThanOrEqual(3 * MiB);
  expect(await haveIt('changed', content)).toEqual([true, true, true]);
});
