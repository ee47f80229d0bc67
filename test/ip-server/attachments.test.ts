import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FilerError } from '@filer/protocol';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { askToAttach, attach, attachmentOf, reportWith, transferConnection } from '../support/attach.ts';
import { freshFolder, RunningServer } from '../support/ip-server.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';
import { filesBelow } from '../support/test-network.ts';

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

  test('folders and links are refused, and what lies beside them is taken', async () => {
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

  test('a machine that never reports has the newest of its files kept, and no more', async () => {
    const mallory = await TestMember.join(await server.invite(), 'mallory');
    const a = await file('a', 'never reported');
    for (let n = 1; n <= 7; n++) await attach(mallory, { spool: SPOOL, seq: n }, [{ file: a, name: 'a' }]);

    const mine = (await kept()).filter((path) => path.startsWith(mallory.id));
    expect(mine).toEqual([4, 5, 6, 7].map((n) => `${mallory.id}/${SPOOL}-${n}/a`));
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
