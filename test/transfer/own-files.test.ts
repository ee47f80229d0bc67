import { link, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  guardFolders,
  isOwn,
  KnownDigests,
  listShared,
  readDigests,
  SharedFolder,
  walkSources,
} from '@filer/transfer';
import { filesBelow } from '../support/test-network.ts';
import { codesOf, freshFolder, transfer, twoEnds } from './two-ends.ts';

/** A folder with a home of filer, whose database is open, and a file beside it. */
let above: string;
let home: string;
beforeEach(async () => {
  above = await freshFolder();
  home = join(above, 'filer');
  for (const folder of ['inbox', 'outgoing']) await mkdir(join(home, folder), { recursive: true });
  await writeFile(join(home, 'key.pem'), 'SECRET');
  await writeFile(join(home, 'inbox', 'came'), 'content');
  await writeFile(join(home, 'outgoing', 'spooled'), 'content');
  await writeFile(join(above, 'beside'), 'content');
  const database = new DatabaseSync(join(home, 'filer.db'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (1)');
  const guard = guardFolders({ homes: [home], spools: [join(home, 'outgoing')] });
  onTestFinished(() => {
    guard[Symbol.dispose]();
    database.close();
  });
});

/** The locks that SQLite of this process has on its open database: other disks have such inodes, too. Closing any other descriptor of it drops them. */
function locks(): string[] {
  const inodes = ['filer.db', 'filer.db-wal', 'filer.db-shm'].map((name) => statSync(join(home, name)).ino);
  const all = readFileSync('/proc/locks', 'utf8').split('\n');
  const own = all.filter((line) => line.includes(` ${process.pid} `));
  const ours = own.filter((line) => inodes.some((inode) => line.includes(`:${inode} `)));
  // Lines are numbered, locks of other programs included.
  return ours.map((line) => line.replace(/^\d+: /, '')).toSorted();
}

const isLinux = process.platform === 'linux';

test.skipIf(!isLinux)('a folder above the home is sent without the home, and says so', async () => {
  const ends = await twoEnds();
  await link(join(home, 'filer.db'), join(above, 'database'));
  await link(join(home, 'key.pem'), join(above, 'key'));
  const before = locks();
  expect(before).not.toEqual([]);

  const { sent } = await transfer(ends, [], { send: { files: [{ file: above, name: 'all' }] } });

  const failed = sent.files.filter(({ status }) => status === 'failed');
  expect(Object.fromEntries(failed.map(({ name, code }) => [name, code]))).toEqual({
    'all/filer': 'refused',
    'all/database': 'refused',
    'all/key': 'refused',
  });
  expect(await filesBelow(join(ends.inbox, 'alice'))).toEqual(['all/beside']);
  expect(locks()).toEqual(before);
});

test('the home, its database and its key are refused by any path; what came and what is spooled is not', async () => {
  const ends = await twoEnds();
  await symlink(home, join(ends.home, 'home'));
  await symlink(join(home, 'filer.db'), join(ends.home, 'database'));
  await symlink(join(home, 'key.pem'), join(ends.home, 'key'));
  await symlink(join(home, 'outgoing'), join(ends.home, 'outgoing'));
  await symlink(join(home, 'inbox'), join(ends.home, 'inbox'));
  await symlink(join(home, 'outgoing', 'spooled'), join(ends.home, 'spooled'));

  const names = ['home', 'database', 'key', 'outgoing', 'inbox', 'spooled'];
  const { sent } = await transfer(ends, names);

  expect(codesOf(sent)).toMatchObject({
    home: 'refused',
    database: 'refused',
    key: 'refused',
    outgoing: 'refused',
  });
  expect((await filesBelow(join(ends.inbox, 'alice'))).toSorted()).toEqual(['inbox/came', 'spooled']);
  expect(await readDigests(join(home, 'filer.db'), 0, undefined)).toBeUndefined();
});

test('a home that came to lie in a share is not shown to others, nor is what is in it', async () => {
  const share = await freshFolder();
  using shared = SharedFolder.open('docs', share);
  await rename(home, join(share, 'moved'));
  const moved = guardFolders({ homes: [join(share, 'moved')], spools: [] });
  onTestFinished(() => moved[Symbol.dispose]());
  const refused = expect.objectContaining({ code: 'refused' }) as Error;

  expect(() => [...listShared(shared, 'docs/moved')]).toThrow(refused);
  const failed: [string, string][] = [];
  const files = ['docs/moved', 'docs/moved/key.pem', 'docs/moved/inbox/came', 'docs'];
  const walk = walkSources(
    files.map((file) => ({ file, shared })),
    { failed: ({ file, error }) => void failed.push([file, error.code]) },
  );
  const found: string[] = [];
  for await (const { file } of walk) found.push(file);
  expect(found).toEqual(['docs']);
  expect(failed).toEqual([...files.slice(0, 3), 'docs/moved'].map((file) => [file, 'refused']));
  await rename(join(share, 'moved'), home);
});

test('nothing that comes is put into the home, however it is reached', async () => {
  const ends = await twoEnds();
  await mkdir(join(ends.home, 'filer'));
  await writeFile(join(ends.home, 'filer', 'key.pem'), 'of another');
  await writeFile(join(ends.home, 'good'), 'content');

  const into = (inbox: string): ReturnType<typeof transfer> =>
    transfer(ends, ['filer', 'good'], { receive: { inbox, folder: '', onConflict: 'overwrite' } });
  const { sent } = await into(above);
  expect(codesOf(sent)).toMatchObject({ 'filer/key.pem': 'refused', good: undefined });
  expect((await into(home)).received.error?.code).toBe('refused');

  expect(await readFile(join(home, 'key.pem'), 'utf8')).toBe('SECRET');
  expect(await readdir(home)).not.toContain('good');
});

test.skipIf(!isLinux)(
  'a name in the inbox that leads to the database is not opened to be compared',
  async () => {
    const ends = await twoEnds();
    const inbox = join(ends.inbox, 'alice');
    await mkdir(inbox, { recursive: true });
    await link(join(home, 'filer.db'), join(inbox, 'a'));
    await writeFile(join(ends.home, 'a'), Buffer.alloc(statSync(join(home, 'filer.db')).size));
    const before = locks();

    const { sent } = await transfer(ends, ['a'], { receive: { known: new KnownDigests() } });

    expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
    expect(await readdir(inbox)).toEqual(['a', 'a (1)']);
    expect(locks()).toEqual(before);
  },
);

test("what has the number that a file of the program had a moment ago is the user's", async () => {
  const file = join(home, 'membership.json');
  await writeFile(file, '{}');
  const { dev, ino } = statSync(file, { bigint: true });
  guardFolders({ homes: [], spools: [] })[Symbol.dispose](); // what is known is of now
  expect(isOwn({ dev, ino })).toBe(true);

  // A file system gives a free number to the next file; one that is moved keeps it on any.
  await rename(file, join(above, 'beside'));
  expect(isOwn({ dev, ino })).toBe(false);
});
