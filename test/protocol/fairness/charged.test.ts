import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import {
  FilerError,
  Hub,
  MAX_PARTIAL_BYTES_PER_MACHINE,
  MAX_UNREAD_BYTES_PER_MACHINE,
  Session,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { processShares } from '../../../packages/protocol/src/fairness/process-shares.ts';
import { MessageQueue } from '../../../packages/protocol/src/message-queue.ts';
import { collect, connect, nextOf, TCP, until } from '../wires.ts';

const MiB = 1024 * 1024;

/** The start of a frame whose content never comes whole. */
function partOf(contentBytes: number): Buffer {
  const prefix = Buffer.alloc(8);
  prefix.writeUInt32BE(2, 0);
  prefix.writeUInt32BE(contentBytes, 4);
  return Buffer.concat([prefix, Buffer.from('{}'), Buffer.alloc(100)]);
}

test('a message that was read is not kept in memory by those behind it', async () => {
  const queue = new MessageQueue(() => undefined);
  const read: WeakRef<object>[] = [];
  for (let n = 0; n < 500; n++) queue.put({ header: {}, content: Buffer.alloc(64 * 1024) });
  for (let n = 0; n < 400; n++) {
    const { value } = (await queue.next()) as { value: Message };
    read.push(new WeakRef(value));
  }
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  for (let n = 0; n < 10; n++) {
    await turn();
    collectGarbage();
  }
  expect(queue.unreadBytes).toBeGreaterThan(100 * 64 * 1024);
  expect(read.filter((each) => each.deref() !== undefined).length).toBeLessThan(20);
});

test('what waits unread on all connections of one machine is bounded together, and nothing of it is lost', async () => {
  const holder = 'unread-test';
  const pairs = await Promise.all(Array.from({ length: 12 }, () => connect(TCP, { far: { holder } })));
  const sent = pairs.map(({ near }) =>
    Promise.all(Array.from({ length: 8 }, () => near.send({ type: 'x' }, Buffer.alloc(MiB)))),
  );
  await until(() => pairs.filter(({ far }) => far.socket.isPaused()).length === 12);
  for (let n = 0; n < 100; n++) await turn();
  expect(processShares.unread.of(holder)).toBeLessThan(MAX_UNREAD_BYTES_PER_MACHINE + 12 * MiB);

  for (const { far } of pairs) for (let n = 0; n < 8; n++) await nextOf(far);
  await Promise.all(sent);
  expect(processShares.unread.of(holder)).toBe(0);
  await Promise.all(pairs.map((pair) => pair[Symbol.asyncDispose]()));
});

test('unfinished messages of one machine have one bound, and the connection beyond it is refused', async () => {
  const holder = 'partial-test';
  const most = MAX_PARTIAL_BYTES_PER_MACHINE / (4 * MiB);
  const pairs = await Promise.all(Array.from({ length: most + 1 }, () => connect(TCP, { far: { holder } })));
  for (const { near } of pairs.slice(0, most)) near.socket.write(partOf(4 * MiB));
  await until(() => processShares.partial.of(holder) === MAX_PARTIAL_BYTES_PER_MACHINE);
  pairs.at(-1)?.near.socket.write(partOf(4 * MiB));
  expect(await pairs.at(-1)?.far.closed).toMatchObject({ code: 'rate-limited' });
  await using other = await connect(TCP, { far: { holder: 'another machine' } });
  const sent = other.near.send({ type: 'x' }, Buffer.alloc(4 * MiB));
  expect((await nextOf(other.far)).content).toHaveLength(4 * MiB);
  await sent;

  await Promise.all(pairs.map((pair) => pair[Symbol.asyncDispose]()));
  expect(processShares.partial.of(holder)).toBe(0);
});

test('what a connection holds is charged to its member as soon as it is admitted', async () => {
  await using pair = await connect(TCP, { far: { holder: '198.51.100.7' } });
  pair.near.socket.write(partOf(MiB));
  await until(() => processShares.partial.of('198.51.100.7') === MiB);
  pair.far.chargeTo('MEMBER');
  expect([processShares.partial.of('198.51.100.7'), processShares.partial.of('MEMBER')]).toEqual([0, MiB]);
});

test('a question whose connection has closed is not worked on', async () => {
  await using pair = await connect(TCP);
  let worked = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const session = new Session(pair.far, async () => {
    worked++;
    await promise;
    return { header: { type: 'ok' } };
  });
  for (let id = 1; id <= 50; id++)
    void pair.near.send({ type: 'ask', id: String(id) }).catch(() => undefined);
  await pair.near.send({ type: 'last' });
  await until(() => worked === 1 && pair.far.header['type'] === 'last');
  pair.near.destroy();
  await pair.far.closed;
  resolve();
  await session.closed;
  // The last one asks for no answer: a word such as `goodbye` still counts.
  expect(worked).toBe(2);
});

test('an answer is read while all that its machine asked for waits, perhaps for it', async () => {
  const holder = 'waiting-test';
  await using pair = await connect(TCP, { far: { holder } });
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = Array.from({ length: 40 }, () =>
    Promise.resolve(processShares.turns.run(holder, () => promise)),
  );
  await pair.near.send({ type: 'answer' });
  expect((await nextOf(pair.far)).header['type']).toBe('answer');
  resolve();
  await Promise.all(waiting);
});

test('what came before the end of a connection is read, though its turn had not come', async () => {
  await using pair = await connect(TCP, { far: { holder: 'last-word-test' } });
  const busy = (): void => {
    const until = performance.now() + 11;
    while (performance.now() < until);
  };
  const others = Array.from({ length: 30 }, (_, n) =>
    Promise.resolve(processShares.turns.run(`busy ${n}`, busy)),
  );
  void pair.near.send({ type: 'goodbye' });
  void pair.near.close();
  const read = await collect(pair.far);
  expect(read.map(({ header }) => header['type'])).toEqual(['goodbye']);
  expect(await pair.far.closed).toBeUndefined();
  await Promise.all(others);
});

test('what is left unread on a connection that was refused is charged no longer', async () => {
  const holder = 'refused-test';
  class Refusing extends Hub {
    take(messenger: Messenger): Promise<void> {
      return this.adopt(messenger);
    }
    protected override async serve(messenger: Messenger): Promise<void> {
      await until(() => messenger.header['type'] === 'last');
      throw new FilerError('refused', 'not here');
    }
  }
  await using pair = await connect(TCP, { far: { holder } });
  for (let n = 0; n < 10; n++) void pair.near.send({ type: 'x' }, Buffer.alloc(1000));
  void pair.near.send({ type: 'last' });
  await new Refusing().take(pair.far);
  expect(processShares.unread.of(holder)).toBe(0);
});

test('answers that their reader has left are charged no longer', async () => {
  const holder = 'left-test';
  await using pair = await connect(TCP, { far: { holder } });
  const asking = new Session(pair.far);
  const answers = asking.requestStream({ type: 'list' });
  const first = answers.next();
  const { id = '' } = (await nextOf(pair.near)).header;
  for (let n = 0; n < 10; n++) void pair.near.send({ type: 'row', re: id, more: '1' }, Buffer.alloc(1000));
  await first;
  await until(() => processShares.unread.of(holder) > 9_000);
  await answers.return();
  await until(() => processShares.unread.of(holder) === 0);
  expect(asking.messenger.open).toBe(true);
});
