import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createIdentity, createKeyPair, dial, listen, Messenger, type ReceiptBatch } from '@filer/protocol';
import { receiveFiles, sendFiles, verifyReceipts, type SendEvent } from '@filer/transfer';
import { receiveOptions, sendOptions, transfer, twoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

describe('a file arrives byte for byte', () => {
  test.each([0, 1, 262_144, MiB - 1, MiB, MiB + 1, 20 * MiB])('of %d bytes', async (size) => {
    const ends = await twoEnds();
    const content = randomBytes(size);
    await writeFile(join(ends.home, 'a.bin'), content);

    const { sent, received } = await transfer(ends, ['a.bin'], { receive: { sync: true } });

    expect(sent).toMatchObject({
      ok: true,
      filesDelivered: 1,
      filesFailed: 0,
      bytesSent: size,
      bytesTotal: size,
    });
    expect(received).toMatchObject({ ok: true, filesDelivered: 1, bytesReceived: size, job: sent.job });
    expect(content.equals(await readFile(join(ends.inbox, 'alice', 'a.bin')))).toBe(true);
  });
});

test('whichever side dialled, files flow', async () => {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'hello');

  const { sent } = await transfer(ends, ['a'], { receiverDials: true });

  expect(sent.ok).toBe(true);
  expect(await readFile(join(ends.inbox, 'alice', 'a'), 'utf8')).toBe('hello');
});

test('over TLS a file arrives, and its receipt is signed by the key that the connection proved', async () => {
  const [sender, receiver] = await Promise.all([createIdentity(), createIdentity()]);
  const ends = { ...(await twoEnds()), sender, receiver };
  const content = randomBytes(3 * MiB + 1);
  await writeFile(join(ends.home, 'a'), content);
  const accepted = Promise.withResolvers<Messenger>();
  const here = { transport: 'tls', host: '127.0.0.1' } as const;
  const listener = await listen(
    { ...here, port: 0, identity: receiver },
    {
      onConnection: (link) => {
        link.admit();
        accepted.resolve(new Messenger(link.socket, { peerId: link.peerId }));
      },
    },
  );
  if (!('port' in listener.address)) throw new Error('a TLS listener has a port');
  const { port } = listener.address;
  const link = await dial({ ...here, port, identity: sender, expect: receiver.id });
  const [from, to] = [new Messenger(link.socket), await accepted.promise];
  const kept: ReceiptBatch[] = [];
  const keep = (batch: ReceiptBatch): void => void kept.push(batch);

  const [sent] = await Promise.all([
    sendFiles(from, sendOptions(ends, ['a'], { keep, receiverId: link.peerId ?? '' })),
    receiveFiles(to, receiveOptions(ends, { senderId: to.peerId ?? '' })),
  ]);
  await Promise.all([from.close(), to.close(), listener.close()]);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
  expect(kept).toMatchObject([{ sender: sender.id, receiver: receiver.id }]);
  expect(content.equals(await readFile(join(ends.inbox, 'alice', 'a')))).toBe(true);
});

test('two senders at once into a folder of one name lose nothing', async () => {
  const ends = await twoEnds();
  const names = Array.from({ length: 50 }, (_, n) => (n % 2 === 0 ? `same ${n}` : `sub/same ${n}`));
  const send = async (who: string) => {
    const own = { ...ends, sender: createKeyPair(), home: join(ends.home, who) };
    await mkdir(join(own.home, 'sub'), { recursive: true });
    await Promise.all(names.map((name) => writeFile(join(own.home, name), `${who}: ${name}`)));
    return transfer(own, names, { receive: { sync: true } });
  };

  const outcomes = await Promise.all([send('one'), send('two')]);

  for (const { sent } of outcomes) expect(sent).toMatchObject({ ok: true, filesDelivered: 50 });
  const arrived = outcomes.flatMap(({ sent }) => sent.files.map(({ path = '' }) => path));
  expect(new Set(arrived).size).toBe(100);
  const contents = await Promise.all(arrived.map((path) => readFile(join(ends.inbox, path), 'utf8')));
  const wanted = ['one', 'two'].flatMap((who) => names.map((name) => `${who}: ${name}`));
  expect(contents.toSorted()).toEqual(wanted.toSorted());
});

test('several files arrive with one signed receipt each, kept before they count as delivered', async () => {
  const ends = await twoEnds();
  const names = Array.from({ length: 300 }, (_, n) => `file ${n}.txt`);
  await Promise.all(names.map((name) => writeFile(join(ends.home, name), `content of ${name}`)));
  const kept: ReceiptBatch[] = [];
  const keptWhenDelivered: boolean[] = [];

  const { sent } = await transfer(ends, names, {
    send: {
      keep: async (batch) => {
        await Promise.resolve();
        kept.push(batch);
      },
      on: (event: SendEvent) => {
        if (event.type !== 'file') return;
        keptWhenDelivered.push(
          kept.some(({ files }) => files.some(({ name }) => name === event.result.name)),
        );
      },
    },
  });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 300 });
  expect(keptWhenDelivered).toEqual(names.map(() => true));
  expect((await readdir(join(ends.inbox, 'alice'))).toSorted()).toEqual(names.toSorted());
  for (const batch of kept) expect(() => verifyReceipts(batch)).not.toThrow();
});

test('the modification time, to the microsecond, and the permission bits travel; set-user-id does not', async () => {
  const ends = await twoEnds();
  const source = join(ends.home, 'run.sh');
  await writeFile(source, '#!/bin/sh\n');
  await chmod(source, 0o4754);
  await utimes(source, 1_600_000_000, 1_600_000_000.123456);

  await transfer(ends, ['run.sh']);

  const arrived = await stat(join(ends.inbox, 'alice', 'run.sh'), { bigint: true });
  expect(arrived.mode & 0o7777n).toBe(0o754n);
  expect(arrived.mtimeNs / 1000n).toBe((await stat(source, { bigint: true })).mtimeNs / 1000n);
});

test('a file of another content and the same name gets the next free name, and its receipt says which', async () => {
  const ends = await twoEnds();
  for (const content of ['one', 'two', 'three']) {
    await writeFile(join(ends.home, 'a.tar.gz'), content);
    await transfer(ends, ['a.tar.gz']);
  }

  const folder = join(ends.inbox, 'alice');
  expect((await readdir(folder)).toSorted()).toEqual(['a.tar (1).gz', 'a.tar (2).gz', 'a.tar.gz']);
  expect(await readFile(join(folder, 'a.tar (2).gz'), 'utf8')).toBe('three');
});

test('twenty transfers of one name at once lose nothing', async () => {
  const ends = await twoEnds();
  const contents = Array.from({ length: 20 }, (_, n) => `content ${n}`);
  await Promise.all(contents.map((content, n) => writeFile(join(ends.home, String(n)), content)));

  const outcomes = await Promise.all(
    contents.map((_, n) =>
      transfer(ends, [], { send: { files: [{ file: join(ends.home, String(n)), name: 'same' }] } }),
    ),
  );

  const folder = join(ends.inbox, 'alice');
  const arrived = await Promise.all(
    (await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')),
  );
  expect(outcomes.every(({ sent }) => sent.ok)).toBe(true);
  expect(arrived.toSorted()).toEqual(contents.toSorted());
});
