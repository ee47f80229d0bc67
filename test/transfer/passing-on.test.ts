import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  blockMessage,
  carryMessage,
  createKeyPair,
  FilerError,
  wantedMessage,
  type KeyPair,
  type Messenger,
} from '@filer/protocol';
import {
  HeldBlocks,
  receiveFiles,
  RelayRace,
  sendFiles,
  serveBlocks,
  type ReceiverPassing,
  type SendOutcome,
  type Via,
} from '@filer/transfer';
import { expect, onTestFinished, test } from 'vitest';
import { digestsOf } from './by-hand.ts';
import { connected, freshFolder } from './two-ends.ts';

const MiB = 1024 * 1024;

/** What a holder does with the connection of one who was sent to it. */
type Holds = (messenger: Messenger, held: HeldBlocks) => Promise<void>;

const honest: Holds = (messenger, held) =>
  serveBlocks(messenger, { held, signal: AbortSignal.timeout(60_000) });

interface Racer {
  readonly keys: KeyPair;
  readonly inbox: string;
  readonly outcome: Promise<SendOutcome>;
}

/** A sender and its recipients, whose connections to each other are made by the test. */
class Race {
  readonly race = new RelayRace(1);
  readonly folder: string;
  readonly #sender = createKeyPair();
  readonly #network = createKeyPair().id;
  readonly #racers = new Map<string, HeldBlocks>();
  readonly #holds = new Map<string, Holds>();
  /** No content goes from the sender before everyone has begun. */
  readonly #begun = Promise.withResolvers<void>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(files: Readonly<Record<string, Buffer>>): Promise<Race> {
    const race = new Race(await freshFolder());
    for (const [name, content] of Object.entries(files)) await writeFile(join(race.folder, name), content);
    onTestFinished(() => race.race[Symbol.dispose]());
    return race;
  }

  /** A recipient begins. @param holds what it does for those behind it */
  async enter(files: readonly string[], holds: Holds = honest, passes = true): Promise<Racer> {
    const { dialler, accepter } = await connected();
    const keys = createKeyPair();
    const inbox = await freshFolder();
    const held = new HeldBlocks();
    onTestFinished(() => held.close());
    this.#racers.set(keys.id, held);
    this.#holds.set(keys.id, holds);
    const passing: ReceiverPassing = {
      held,
      open: (peer) => this.#dial(peer),
      grant: () => undefined,
      call: () => undefined,
    };
    const accepted = Promise.withResolvers<void>();
    const common = { network: this.#network, senderId: this.#sender.id };
    void receiveFiles(accepter, {
      ...common,
      keyPair: keys,
      inbox,
      folder: '',
      sync: false,
      ...(passes ? { passing } : {}),
    }).then(() => accepter.close());
    const outcome = sendFiles(dialler, {
      ...common,
      receiverId: keys.id,
      files: files.map((name) => ({ file: join(this.folder, name), name })),
      relay: { race: this.race, member: { id: keys.id, passes } },
      accepted: () => accepted.resolve(),
      limit: { pieceBytes: Infinity, take: () => this.#begun.promise },
    });
    void outcome.then(() => dialler.close());
    await accepted.promise;
    return { keys, inbox, outcome };
  }

  /** Everyone has begun. @returns of each whether it has everything */
  async whole(racers: readonly Racer[], files: Readonly<Record<string, Buffer>>): Promise<boolean[]> {
    this.#begun.resolve();
    const found: boolean[] = [];
    for (const { outcome, inbox } of racers) {
      let isWhole = (await outcome).ok;
      for (const [name, content] of Object.entries(files))
        isWhole &&= (await readFile(join(inbox, name))).equals(content);
      found.push(isWhole);
    }
    return found;
  }

  async #dial(peer: string): Promise<Messenger> {
    const held = this.#racers.get(peer);
    const holds = this.#holds.get(peer);
    if (held === undefined || holds === undefined) throw new FilerError('peer-unreachable', 'it is gone');
    const { dialler, accepter } = await connected();
    void this.#serve(accepter, held, holds).catch(() => accepter.close());
    return dialler;
  }

  async #serve(messenger: Messenger, held: HeldBlocks, holds: Holds): Promise<void> {
    const first = await messenger[Symbol.asyncIterator]().next();
    if (first.done === true) return;
    carryMessage.parse(first.value);
    await holds(messenger, held);
    await messenger.close();
  }

  via({ keys }: Racer): readonly Via[] {
    return this.race.via(keys.id);
  }
}

function sumOf(via: readonly Via[]): number {
  return via.reduce((sum, { bytes }) => sum + bytes, 0);
}

test('a large file and many small ones are passed on', async () => {
  const files: Record<string, Buffer> = { large: randomBytes(3 * MiB + 5), empty: Buffer.alloc(0) };
  for (let n = 0; n < 40; n++) files[`small-${n}`] = randomBytes(20_000 + n);
  const race = await Race.open(files);
  const names = Object.keys(files);

  const first = await race.enter(names);
  const second = await race.enter(names);
  const third = await race.enter(names);

  expect(await race.whole([first, second, third], files)).toEqual([true, true, true]);
  // Who is late on a busy machine gets a part from the sender.
  const all = [first, second, third];
  const via = all.flatMap((each) => race.via(each));
  expect(sumOf(via)).toBeGreaterThan(0);
  for (const { peer } of via) expect(all.map(({ keys }) => keys.id)).toContain(peer);
});

test('a recipient gets no wrong byte of a holder that gives other blocks, and is served all the same', async () => {
  const files = { large: randomBytes(3 * MiB) };
  const race = await Race.open(files);
  let asked = 0;
  const lies: Holds = async (messenger) => {
    for await (const message of messenger)
      for (const block of wantedMessage.parse(message).digests) {
        asked++;
        for (let offset = 0; offset < MiB; offset += 65_536)
          await messenger.send(
            blockMessage.formatHeader({ block, offset, size: MiB }),
            Buffer.alloc(65_536, 'x'),
          );
      }
  };

  const liar = await race.enter(['large'], lies);
  const other = await race.enter(['large']);

  expect(await race.whole([liar, other], files)).toEqual([true, true]);
  expect(asked).toBeGreaterThan(0);
  expect(sumOf(race.via(other))).toBe(0);
});

test.each<[string, Holds]>([
  ['closes at once', (messenger) => messenger.close()],
  ['answers with what it must not say', async (messenger) => messenger.send({ type: 'nonsense' })],
  [
    'sends a block that is too short',
    async (messenger) => {
      const next = await messenger[Symbol.asyncIterator]().next();
      if (next.done === true) return;
      const [block = ''] = wantedMessage.parse(next.value).digests;
      await messenger.send(blockMessage.formatHeader({ block, offset: 0, size: 5 }), Buffer.from('hello'));
    },
  ],
  [
    'sends blocks that are what they say, and were not asked for',
    async (messenger) => {
      const content = randomBytes(1_000);
      const header = blockMessage.formatHeader({ block: digestsOf(content).digest, offset: 0, size: 1_000 });
      for (;;) await messenger.send(header, content);
    },
  ],
])('a holder that %s is replaced by the sender', async (_, holds) => {
  const files = { large: randomBytes(3 * MiB), small: randomBytes(5_000) };
  const race = await Race.open(files);

  const first = await race.enter(['large', 'small'], holds);
  const second = await race.enter(['large', 'small']);
  const third = await race.enter(['large', 'small']);

  expect(await race.whole([first, second, third], files)).toEqual([true, true, true]);
});

test('a recipient that does not pass on is served by the sender, and named to no one', async () => {
  const files = { large: randomBytes(2 * MiB) };
  const race = await Race.open(files);

  const alone = await race.enter(['large'], honest, false);
  const first = await race.enter(['large']);
  const second = await race.enter(['large']);

  expect(await race.whole([alone, first, second], files)).toEqual([true, true, true]);
  expect(race.via(alone)).toEqual([]);
  expect(race.via(first)).toEqual([]);
  expect(race.via(second).map(({ peer }) => peer)).toEqual([first.keys.id]);
});

test('a holder hands on no block whose file was changed since, nor one that came in another transfer', async () => {
  const { dialler, accepter } = await connected();
  const folder = await freshFolder();
  const file = join(folder, 'file');
  await writeFile(file, 'other content');
  const held = new HeldBlocks();
  const block = `blake3:${'ab'.repeat(32)}`;
  held.placed(0, file, block, 13, true);
  const serving = serveBlocks(accepter, { held, signal: AbortSignal.timeout(10_000) });

  await dialler.send({ type: 'wanted' }, Buffer.from('ab'.repeat(32), 'hex'));
  const answer = await dialler[Symbol.asyncIterator]().next();

  expect(answer.value).toMatchObject({ header: { type: 'no-block', block } });
  await dialler.close();
  await serving;
});

type RelayLane = ReturnType<RelayRace['enter']>;

/** A recipient of which no transfer runs. */
async function entered(race: RelayRace, id: string, passes = true, joined?: () => void): Promise<RelayLane> {
  const { dialler: channel } = await connected();
  const { signal: stop } = new AbortController();
  return race.enter({ id, passes }, { channel, limit: undefined, stop, failed: () => undefined, joined });
}

test('those who pass on are told once a job is large enough, the others never', async () => {
  const race = new RelayRace(MiB);
  onTestFinished(() => race[Symbol.dispose]());
  const joined: string[] = [];
  await entered(race, 'a', true, () => joined.push('a'));
  await entered(race, 'b', false, () => joined.push('b'));
  race.found(MiB - 1);
  expect(joined).toEqual([]);

  race.found(MiB);
  await entered(race, 'c', true, () => joined.push('c'));
  await entered(race, 'd', false, () => joined.push('d'));

  expect(joined).toEqual(['a', 'c']);
});

test('what a recipient has is remembered until it has all, and no one takes from it', async () => {
  const race = new RelayRace(1);
  onTestFinished(() => race[Symbol.dispose]());
  race.found(1);
  const lanes: RelayLane[] = [];
  for (const id of 'abc') lanes.push(await entered(race, id));
  const digest = digestsOf(randomBytes(5)).digest;
  const read = (): Buffer => Buffer.alloc(5);
  for (const lane of lanes) lane.sent({ entry: 0, end: 5, bytes: 5, digest, from: undefined, read });

  const left = lanes.map((lane) => {
    lane.close(true);
    return race.remembering;
  });

  expect(left).toEqual([3, 2, 1]);
});

test('a block that ends with a hole, at the end of what was written so far, is handed on', async () => {
  const folder = await freshFolder();
  const held = new HeldBlocks();
  onTestFinished(() => held.close());
  const block = Buffer.alloc(MiB);
  randomBytes(1000).copy(block);
  // Zeros are left out: the file is as long as it is to be when it is whole.
  await writeFile(join(folder, 'part'), block.subarray(0, 1000));
  const { digest } = digestsOf(block);
  held.add(digest, held.begin(0, join(folder, 'part')), 0, MiB);

  const found = await held.read(digest, AbortSignal.timeout(60_000));

  expect(found?.equals(block)).toBe(true);
});

test('two that take from the sender share its uplink, and one that takes of another needs none of it', async () => {
  const race = new RelayRace(1);
  onTestFinished(() => race[Symbol.dispose]());
  race.found(512 * MiB);
  const first = await entered(race, 'first');
  expect(race.sharesUplink('first')).toBe(false);

  const second = await entered(race, 'second');
  expect(race.holderOf('second')).toBeUndefined();
  expect([race.sharesUplink('first'), race.sharesUplink('second')]).toEqual([true, true]);
  const third = await entered(race, 'third');
  expect(race.holderOf('third')?.id).toBe('second');
  expect(race.sharesUplink('third')).toBe(true);

  third.close(false);
  second.close(false);
  expect(race.sharesUplink('first')).toBe(false);
  first.close(false);
});
