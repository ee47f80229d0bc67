import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FilerError } from '@filer/protocol';
import { sendFiles, type Growing } from '@filer/transfer';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { askToAttach, attach, attachmentOf, reportWith, transferConnection } from '../support/attach.ts';
import { sqlInHome } from '../support/engine.ts';
import { freshFolder, RunningServer } from '../support/ip-server.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';
import { filesBelow } from '../support/test-network.ts';
import { Hand } from '../transfer/by-hand.ts';

const SPOOL = 'ab'.repeat(16);

let server: RunningServer;
let anna: TestMember;
let session: MemberConnection;
let seq = 0;
let folder: string;
beforeAll(async () => {
  server = await RunningServer.start();
  anna = await TestMember.join(await server.invite('--uses', '9'), 'anna');
  session = await anna.connect();
});
afterAll(async () => {
  await session.close();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  seq++;
  folder = await freshFolder();
});

const key = (): { spool: string; seq: number } => ({ spool: SPOOL, seq });

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

/** What the server keeps of attachments, below its folder of them. */
function kept(): Promise<string[]> {
  return filesBelow(join(server.home, 'attachments'));
}

/** What the server counts as room that the files of a machine take. */
async function bytesOf(peer: string): Promise<number> {
  const sum = `SELECT sum(bytes) AS bytes FROM uploads WHERE peer = '${peer}'`;
  return Number((await sqlInHome(server.home, sum))[0]?.['bytes']);
}

describe('attachments', () => {
  test('a report is stored when its files are there, and refused as long as one is missing or another one', async () => {
    const [a, b] = [await file('a', 'first'), await file('b', 'second')];
    const attachments = [await attachmentOf(a, 'a'), await attachmentOf(b, 'b')];
    const missing = expect.objectContaining({ code: 'attachment-missing' }) as FilerError;
    await expect(reportWith(session, key(), attachments)).rejects.toEqual(missing);
    await attach(anna, key(), [{ file: a, name: 'a' }]);
    await expect(reportWith(session, key(), attachments)).rejects.toEqual(missing);
    await attach(anna, key(), [
      { file: a, name: 'a' },
      { file: a, name: 'b' },
    ]);
    await expect(reportWith(session, key(), attachments)).rejects.toEqual(missing);
    const { ok, filesSkipped } = await attach(anna, key(), [
      { file: a, name: 'a' },
      { file: b, name: 'b' },
    ]);

    expect({ ok, filesSkipped }).toEqual({ ok: true, filesSkipped: 1 });
    expect(await reportWith(session, key(), attachments)).toEqual(key());
    expect((await server.reports()).at(-1)).toMatchObject({ attachments });
    expect(await kept()).toEqual([`${anna.id}/${SPOOL}-${seq}/a`, `${anna.id}/${SPOOL}-${seq}/b`]);
  });

  test('once a report is stored, nothing more comes for it, and it may be sent again', async () => {
    const a = await file('a', 'stored');
    const attachments = [await attachmentOf(a, 'a')];
    await attach(anna, key(), [{ file: a, name: 'a' }]);
    await reportWith(session, key(), attachments);
    const messenger = await transferConnection(anna);

    expect((await askToAttach(messenger, key())).header).toMatchObject({ type: 'stored', re: '1' });
    await messenger.closed;
    expect(await reportWith(session, key(), attachments)).toEqual(key());
    await expect(reportWith(session, key(), attachments, 2_000)).rejects.toMatchObject({
      code: 'report-conflict',
    });
  });

  test('what came before a kill of the server is there for the report that comes after it', async () => {
    const a = await file('a', 'before the kill');
    await using other = await RunningServer.start();
    const ben = await TestMember.join(await other.invite(), 'ben');
    await attach(ben, key(), [{ file: a, name: 'a' }]);
    await other.stop('SIGKILL');
    await using again = await other.again();
    await using connection = await ben.at(again).connect();

    expect(await reportWith(connection, key(), [await attachmentOf(a, 'a')])).toEqual(key());
  });

  test('files are those of the machine that brought them, whatever key another one names', async () => {
    const a = await file('a', 'of anna');
    const eve = await TestMember.join(await server.invite(), 'eve');
    await using connection = await eve.connect();
    await attach(anna, key(), [{ file: a, name: 'a' }]);

    await expect(reportWith(connection, key(), [await attachmentOf(a, 'a')])).rejects.toMatchObject({
      code: 'attachment-missing',
    });
  });

  test.each([
    ['a path that leads out', '../../out'],
    ['an absolute path', '/tmp/filer-out'],
    ['a file in a folder', 'folder/name'],
    ['a name of the engine', '.filer-part-x'],
  ])('%s is refused, and leaves nothing', async (_what, name) => {
    const outcome = await attach(anna, key(), [{ file: await file('a', 'x'), name }]);

    expect(outcome).toMatchObject({ ok: false, filesFailed: 1, filesDelivered: 0 });
    expect((await kept()).filter((path) => path.includes(`-${seq}/`) || /out|name$|part/.test(path))).toEqual(
      [],
    );
  });

  test.each<[string, (hand: Hand) => Promise<void>]>([
    ['without a byte of it', () => Promise.resolve()],
    ['and given up', (hand) => hand.say({ type: 'abandon', entry: '0', code: 'path-missing', message: 'x' })],
    [
      'with another digest',
      async (hand) => {
        await hand.file(0, 5);
        await hand.chunk(0, 0, Buffer.from('other'));
        await hand.end(0, Buffer.from('first'));
      },
    ],
    [
      'of which half comes',
      async (hand) => {
        await hand.file(0, 5);
        await hand.chunk(0, 0, Buffer.from('fi'));
        await hand.end(0, Buffer.from('first'));
      },
    ],
  ])('a file that is announced %s is no attachment', async (_, sends) => {
    const attachments = [await attachmentOf(await file('a', 'first'), 'a')];
    const messenger = await transferConnection(anna);
    await askToAttach(messenger, key());
    const hand = new Hand(messenger);
    await hand.offer({ a: 5 });
    await sends(hand);
    await hand.say({ type: 'done' });
    expect((await hand.hear('receipts', 'done', 'error'))?.header['type']).not.toBe('receipts');
    await messenger.close();

    await expect(reportWith(session, key(), attachments)).rejects.toMatchObject({
      code: 'attachment-missing',
    });
  });

  test('folders and links are refused, and what is beside them is taken', async () => {
    await file('tree/a', 'x');
    await symlink('/etc/passwd', join(folder, 'tree/link'));
    const plain = await file('plain', 'x');
    const before = await kept();
    const outcome = await attach(anna, key(), [{ file: join(folder, 'tree') }, { file: plain }]);

    expect(outcome).toMatchObject({ ok: false, filesDelivered: 1 });
    expect((await kept()).filter((path) => !before.includes(path))).toEqual([
      `${anna.id}/${SPOOL}-${seq}/plain`,
    ]);
  });

  test('more files than a report can have end the transfer', async () => {
    for (let n = 0; n < 1_100; n++) await file(`many/${n}`, '');
    const outcome = await attach(anna, key(), [{ file: join(folder, 'many') }]);

    expect(outcome.ok).toBe(false);
    expect(outcome.error).toMatchObject({ code: 'too-large' });
  });

  test('of two who bring files for one report the newer one does', async () => {
    const a = await file('a', 'x');
    const older = await transferConnection(anna);
    await askToAttach(older, key());
    const outcome = await attach(anna, key(), [{ file: a, name: 'a' }]);

    expect(outcome.ok).toBe(true);
    expect(await older.closed.then(() => older.open)).toBe(false);
    expect(await reportWith(session, key(), [await attachmentOf(a, 'a')])).toEqual(key());
  });

  test('a machine that never reports has only the newest of its files kept', async () => {
    const mallory = await TestMember.join(await server.invite(), 'mallory');
    const a = await file('a', 'never reported');
    for (let n = 1; n <= 7; n++) await attach(mallory, { spool: SPOOL, seq: n }, [{ file: a, name: 'a' }]);

    const mine = (await kept()).filter((path) => path.startsWith(mallory.id));
    expect(mine).toEqual([4, 5, 6, 7].map((n) => `${mallory.id}/${SPOOL}-${n}/a`));
  });

  test('what came half goes with the files of its report, and counts as room that its machine takes', async () => {
    const mallory = await TestMember.join(await server.invite(), 'mallory-half');
    const large = await file('large', 'x'.repeat(8_000_000));
    for (let n = 1; n <= 7; n++) {
      const messenger = await transferConnection(mallory);
      await askToAttach(messenger, { spool: SPOOL, seq: n });
      await sendFiles(messenger, {
        files: [{ file: large, name: `${n}` }],
        network: mallory.network,
        senderId: mallory.id,
        receiverId: mallory.server.id,
        on: (event) => {
          if (event.type === 'progress' && event.bytesSent > 4_000_000) messenger.destroy();
        },
      });
    }
    const parts = async (): Promise<string[]> =>
      (await kept()).filter((path) => path.includes('.filer-part-'));
    await expect.poll(parts).toHaveLength(4);
    expect((await parts()).every((path) => path.startsWith(`${mallory.id}/${SPOOL}-`))).toBe(true);
    await expect.poll(() => bytesOf(mallory.id)).toBeGreaterThan(4_000_000);
  });

  test('files of reports that are stored stay, also where that could not be noted', async () => {
    const ben = await TestMember.join(await server.invite(), 'ben-noted');
    await using connection = await ben.connect();
    const a = await file('a', 'stored');
    const attachments = [await attachmentOf(a, 'a')];
    for (let n = 1; n <= 4; n++) {
      await attach(ben, { spool: SPOOL, seq: n }, [{ file: a }]);
      await reportWith(connection, { spool: SPOOL, seq: n }, attachments);
    }
    await sqlInHome(server.home, "UPDATE uploads SET state = 'open'");
    await attach(ben, { spool: SPOOL, seq: 5 }, [{ file: a }]);

    const mine = (await kept()).filter((path) => path.startsWith(ben.id));
    expect(mine).toEqual([1, 2, 3, 4, 5].map((n) => `${ben.id}/${SPOOL}-${n}/a`));
  });

  test('who still brings files when their report is stored is told to try again, not that it is refused', async () => {
    const [a, b] = [await file('a', 'first'), await file('b', 'second')];
    const attachments = [await attachmentOf(a, 'a')];
    const messenger = await transferConnection(anna);
    await askToAttach(messenger, key());
    const { promise: isStored, resolve } = Promise.withResolvers<unknown>();
    const growing: Growing = { reach: () => isStored.then(() => ({ bytes: 6, complete: true })) };
    const outcome = await sendFiles(messenger, {
      files: [{ file: a }, { file: b, growing }],
      network: anna.network,
      senderId: anna.id,
      receiverId: anna.server.id,
      keep: () => {
        void reportWith(session, key(), attachments).finally(() => resolve(undefined));
      },
    });

    expect(outcome.error?.code).toBe('connection-closed');
  });

  test('what else came for a report that is stored does not stay', async () => {
    const [a, b] = [await file('a', 'x'), await file('b', 'y')];
    await attach(anna, key(), [{ file: a }, { file: b }]);
    await reportWith(session, key(), [await attachmentOf(a, 'a')]);
    // Removed without holding the answer back.
    for (;;) if ((await kept()).every((path) => !path.endsWith(`-${seq}/b`))) break;

    expect((await kept()).filter((path) => path.includes(`-${seq}/`))).toEqual([
      `${anna.id}/${SPOOL}-${seq}/a`,
    ]);
  });
});
