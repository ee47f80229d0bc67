import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import {
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { watchedVersion } from '../../../apps/filer-client/src/send/watched-version.ts';
import {
  putAway as putAllAway,
  asideName,
  isAside,
  restoreLeft,
  type AsideLedger,
  type AsideName,
} from '../../../apps/filer-client/src/watch/after-delivery.ts';

let folder: string;

/** What is noted of files that are being put away. */
const noted = new Map<string, AsideName>();
const ledger: AsideLedger = {
  note: (names) => names.forEach((each) => noted.set(each.aside, each)),
  drop: (names) => names.forEach(({ aside }) => noted.delete(aside)),
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-away-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

async function make(name: string, content: string): Promise<{ file: string; version: string }> {
  const file = join(folder, name);
  await writeFile(file, content);
  return { file, version: watchedVersion(lstatSync(file, { bigint: true })) };
}

async function putAway(file: string, version: string, moveTo: string | undefined): Promise<boolean> {
  const [result] = await putAllAway([{ file, version, moveTo }], new AbortController().signal, ledger);
  expect(noted.size).toBe(0);
  if (typeof result === 'boolean') return result;
  throw result ?? new Error('nothing came of it');
}

test('a file that is still what was sent is removed, and nothing is left of it', async () => {
  const { file, version } = await make('a', 'a');
  expect(await putAway(file, version, undefined)).toBe(true);
  expect(await readdir(folder)).toEqual([]);
});

test('a file that was written to or replaced since stays as it is', async () => {
  const { file, version } = await make('a', 'a');
  await writeFile(file, 'b');
  expect(await putAway(file, version, undefined)).toBe(false);
  await rename((await make('b', 'a')).file, file);
  expect(await putAway(file, version, undefined)).toBe(false);
  expect(await putAway(join(folder, 'gone'), version, undefined)).toBe(false);
  expect(await readdir(folder)).toEqual(['a']);
});

test('a file is moved below the other folder, beside what is there', async () => {
  const to = join(folder, 'sent', 'sub', 'a.txt');
  for (const content of ['1', '2', '3']) {
    const { file, version } = await make('a.txt', content);
    expect(await putAway(file, version, to)).toBe(true);
  }
  expect(await readdir(folder)).toEqual(['sent']);
  const there = join(folder, 'sent', 'sub');
  const moved = (await readdir(there)).toSorted();
  expect(moved).toEqual(['a (1).txt', 'a (2).txt', 'a.txt']);
  expect(await Promise.all(moved.map((name) => readFile(join(there, name), 'utf8')))).toEqual([
    '2',
    '3',
    '1',
  ]);
});

const isLinux = process.platform === 'linux';

test.skipIf(!isLinux)(
  'on another file system it is copied with its time, and removed here after that',
  async () => {
    const far = await mkdtemp('/dev/shm/filer-away-');
    expect((await stat(far)).dev).not.toBe((await stat(folder)).dev);
    onTestFinished(() => rm(far, { recursive: true, force: true }));
    const { file } = await make('a', 'content');
    await utimes(file, 1_000_000, 1_000_000);
    const version = watchedVersion(lstatSync(file, { bigint: true }));
    await writeFile(join(far, 'a'), 'there');

    expect(await putAway(file, version, join(far, 'a'))).toBe(true);

    expect(await readdir(folder)).toEqual([]);
    expect((await readdir(far)).toSorted()).toEqual(['a', 'a (1)']);
    expect(await readFile(join(far, 'a (1)'), 'utf8')).toBe('content');
    expect(Math.trunc((await stat(join(far, 'a (1)'))).mtimeMs)).toBe(1_000_000_000);
  },
);

test('where it cannot be moved to it stays where it was, and the reason is said', async () => {
  const { file, version } = await make('a', 'a');
  await writeFile(join(folder, 'wall'), '');
  await expect(putAway(file, version, join(folder, 'wall', 'a'))).rejects.toMatchObject({
    code: 'path-unreadable',
    message: expect.stringMatching(
      /was delivered and cannot be moved to .* \(E(EXIST|NOTDIR)\): it is tried again/,
    ),
  });
  expect((await readdir(folder)).toSorted()).toEqual(['a', 'wall']);
});

test('what a process that died left aside gets its name again, or one like it when that is taken', async () => {
  await mkdir(join(folder, 'sub'));
  const left = asideName(join(folder, 'sub', 'a.txt'));
  const { aside } = left;
  ledger.note([left]);
  await writeFile(aside, 'a');
  restoreLeft(ledger, [left]);
  expect(await readdir(join(folder, 'sub'))).toEqual(['a.txt']);
  await writeFile(aside, 'older');
  restoreLeft(ledger, [left]);
  expect(noted.size).toBe(0);
  expect((await readdir(join(folder, 'sub'))).toSorted()).toEqual(['a (1).txt', 'a.txt']);
  expect(await readFile(join(folder, 'sub', 'a.txt'), 'utf8')).toBe('a');
  expect(await readFile(join(folder, 'sub', 'a (1).txt'), 'utf8')).toBe('older');
});

test('names of the user that look like those that filer once gave are left alone', async () => {
  const names = ['.a.filer-sent', 'report.filer-sent', '.filer-sent'];
  for (const name of names) await make(name, 'mine');
  const { file, version } = await make('a', 'a');
  expect(await putAway(file, version, undefined)).toBe(true);
  expect((await readdir(folder)).toSorted()).toEqual(names.toSorted());
});

test('the other name of a file is noted before it is used', async () => {
  const { file, version } = await make('a', 'a');
  const before: string[][] = [];
  const note = (names: readonly AsideName[]): void => {
    before.push(readdirSync(folder));
    ledger.note(names);
  };
  await putAllAway([{ file, version, moveTo: undefined }], new AbortController().signal, { ...ledger, note });
  expect(before).toEqual([['a']]);
});

/** A file that a killed process left aside in a folder. */
async function leftIn(place: string, name: string): Promise<AsideName> {
  await mkdir(place, { recursive: true });
  const left = asideName(join(place, name));
  await writeFile(left.aside, name);
  ledger.note([left]);
  return left;
}

test('a file that is aside on a disk that is away gets its name when the disk is back', async () => {
  const [place, away] = [join(folder, 'disk'), join(folder, 'away')];
  const left = await leftIn(place, 'a');
  await rename(place, away);
  restoreLeft(ledger, [left]);
  await mkdir(place); // where it is mounted, without it
  restoreLeft(ledger, [left]);
  expect([...noted.keys()]).toEqual([left.aside]);

  await rm(place, { recursive: true });
  await rename(away, place);
  restoreLeft(ledger, [left]);
  expect(await readdir(place)).toEqual(['a']);
  expect(noted.size).toBe(0);
});

test('a name under which nothing is in the folder that it was noted for is forgotten', async () => {
  const left = await leftIn(join(folder, 'sub'), 'a');
  await rm(left.aside);
  restoreLeft(ledger, [left]);
  expect(noted.size).toBe(0);
});

test('a file that cannot be given its name keeps no other one from it, is not sent, and gets it later', async () => {
  const place = join(folder, 'sub');
  const good = await leftIn(place, 'a');
  const stuck = { ...(await leftIn(place, 'b')), file: join(place, 'x'.repeat(300)) };
  expect(() => restoreLeft(ledger, [stuck, good])).toThrow(/ENAMETOOLONG/);
  expect([...noted.keys()]).toEqual([stuck.aside]);
  expect((await readdir(place)).includes('a')).toBe(true);
  expect([isAside(stuck.aside), isAside(good.aside)]).toEqual([true, false]);

  restoreLeft(ledger, [{ ...stuck, file: join(place, 'b') }]);
  expect((await readdir(place)).toSorted()).toEqual(['a', 'b']);
  expect(isAside(stuck.aside)).toBe(false);
});

test('a kill between the two names of a file leaves it one', async () => {
  const { file, version } = await make('a', 'a');
  const left = asideName(file);
  await link(file, left.aside);
  restoreLeft(ledger, [left]);
  expect(await readdir(folder)).toEqual(['a']);

  expect(await putAway(file, version, undefined)).toBe(false);
  await mkdir(join(folder, 'sent'));
  await link(file, join(folder, 'sent', 'a'));
  const now = watchedVersion(lstatSync(file, { bigint: true }));
  expect(await putAway(file, now, join(folder, 'sent', 'a'))).toBe(true);
  expect(await readdir(join(folder, 'sent'))).toEqual(['a']);
  expect(await readdir(folder)).toEqual(['sent']);
});

test.skipIf(!isLinux)('a file that somebody has open to write to it stays', async () => {
  const { file, version } = await make('a', 'a');
  await using handle = await open(file, 'r+');
  expect(await putAway(file, version, undefined)).toBe(false);
  await handle.write('b', 0);
  expect(await readFile(file, 'utf8')).toBe('b');
  expect(await readdir(folder)).toEqual(['a']);
});

test.skipIf(!isLinux)(
  'what a kill left of a copy to another file system is gone after the next',
  async () => {
    const far = await mkdtemp('/dev/shm/filer-away-');
    onTestFinished(() => rm(far, { recursive: true, force: true }));
    const { file, version } = await make('a', 'content');
    const { file: wall, version: wallVersion } = await make('b', 'b');
    const part = `.filer-part-${createHash('sha256').update(file).digest('hex').slice(0, 16)}`;
    await writeFile(join(far, part), 'half of something that is longer');
    expect(await putAway(wall, wallVersion, join(far, 'b'))).toBe(true);
    expect(await putAway(file, version, join(far, 'a'))).toBe(true);
    expect((await readdir(far)).toSorted()).toEqual(['a', 'b']);
    expect(await readFile(join(far, 'a'), 'utf8')).toBe('content');
  },
);
