import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  dial,
  PARALLEL,
  parallelAnswerMessage,
  parallelMessage,
  parallelOfMessage,
  sayHello,
  TRANSFER_LIMITS,
  unauthenticatedMessenger,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { ParallelSending, sendFiles } from '@filer/transfer';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import { helloOf, TestMember, type ServerAddress } from '../../support/test-member.ts';

let network: NetworkHere;
let client: ClientHere;
let bob: ServerAddress;
let eve: TestMember;
let mallory: TestMember;

beforeAll(async () => {
  network = await NetworkHere.open();
  client = await network.add('bob');
  bob = { host: '127.0.0.1', port: client.port, id: String((await client.ask('status'))['id']) };
  eve = await TestMember.join(await network.invite(), 'eve');
  mallory = await TestMember.join(await network.invite(), 'mallory');
});
afterAll(() => network[Symbol.asyncDispose]());

/** A connection for a transfer to bob. */
async function connect(
  { identity, membership, network: name }: TestMember,
  features: readonly string[] = [PARALLEL],
): Promise<{ readonly messenger: Messenger; readonly features: readonly string[] }> {
  const { host, port, id } = bob;
  const messenger = unauthenticatedMessenger(
    await dial({ transport: 'tls', host, port, identity, expect: id }),
  );
  const hello = helloOf(name, { role: 'command', purpose: 'transfer', membership, features });
  const welcome = await sayHello(messenger, hello);
  messenger.setLimits(TRANSFER_LIMITS);
  return { messenger, features: welcome.features };
}

const say = (to: Messenger, { header, content }: Message): Promise<void> => to.send(header, content);

/** The next thing that is said. */
async function answerOf(messenger: Messenger): Promise<Message> {
  const next = await messenger[Symbol.asyncIterator]().next();
  if (next.done === true) throw new Error('it ended');
  return next.value;
}

/** What a connection is told that shows a token. */
async function answerTo(member: TestMember, token: string): Promise<unknown> {
  const { messenger } = await connect(member);
  await say(messenger, parallelOfMessage.format({ token }));
  const { header } = await answerOf(messenger);
  messenger.destroy();
  return header['code'];
}

test('a file comes over several connections of one sender', async () => {
  const file = join(network.folder, 'large.bin');
  const content = randomBytes(4_000_000);
  await writeFile(file, content);
  const { messenger } = await connect(eve);
  const further: Messenger[] = [];
  const both = Promise.withResolvers<void>();
  const channel = new ParallelSending(messenger, {
    most: 2,
    count: () => ({ wanted: 2, look: () => undefined }),
    open: async () => {
      const opened = (await connect(eve)).messenger;
      if (further.push(opened) === 2) both.resolve();
      return opened;
    },
  });
  // Nothing leaves before both are there.
  const limit = { pieceBytes: 256 * 1024, take: () => both.promise };
  const outcome = await sendFiles(channel, {
    network: eve.network,
    senderId: eve.id,
    receiverId: bob.id,
    files: [{ file, name: 'large.bin' }],
    limit,
  });
  expect(outcome).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(further).toHaveLength(2);
  for (const each of further) expect(each.sentBytes).toBeGreaterThan(300_000);
  await messenger.close();
  expect((await readFile(join(client.home, 'inbox', 'eve', 'large.bin'))).equals(content)).toBe(true);
});

test('a token is for the peer that it was given to, while the transfer runs', async () => {
  const { messenger } = await connect(eve);
  await say(messenger, parallelMessage.format({}));
  const { token = '' } = parallelAnswerMessage.parse(await answerOf(messenger));
  expect(await answerTo(mallory, token)).toBe('refused');
  expect(await answerTo(eve, randomBytes(32).toString('base64url'))).toBe('refused');
  const { messenger: further } = await connect(eve);
  await say(further, parallelOfMessage.format({ token }));
  messenger.destroy();
  // It ends with the transfer, and the token with it.
  expect(await further.closed).toBeUndefined();
  expect(await answerTo(eve, token)).toBe('refused');
});

test('a sender that does not know of it is told nothing of it', async () => {
  const { messenger, features } = await connect(eve, []);
  expect(features).toEqual([]);
  await say(messenger, parallelMessage.format({}));
  expect((await answerOf(messenger)).header['type']).not.toBe('parallel-answer');
  messenger.destroy();
});
