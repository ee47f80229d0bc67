import { execFileSync } from 'node:child_process';
import { appendFileSync, lutimesSync, symlinkSync, truncateSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatEntriesAnswer, formatListing, parseEntriesAnswer, parseListing } from '@filer/protocol';
import { listShared, SharedFolder, SharedReads, walkSources, type SendEvent } from '@filer/transfer';
import { needs } from '../support/needs.ts';
import { Folder } from '../../packages/transfer/src/disk/folder.ts';
import { inspectSource, OpenSource } from '../../packages/transfer/src/send/source.ts';
import { withReceiver } from './by-hand.ts';
import { listing } from './listing.ts';
import { codesOf, freshFolder, transfer, twoEnds } from './two-ends.ts';

/** A folder in memory, where files may have any size and any time; it goes with the test. */
async function folderInMemory(): Promise<string> {
  const folder = await mkdtemp('/dev/shm/filer-');
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test.each([
  ['1960', '-315619200.25'],
  ['1901, the first of ext4', '-2147483648'],
  ['1969', '-0.5'],
  ['1601, the zero of NTFS', '-11644473600.75'],
  ['2286', '9999999999.75'],
  ['2446, the last of ext4', '15032385535'],
])('files, folders and links keep a time in %s, as far as the disk does', async (_, time) => {
  const ends = await twoEnds();
  const tree = join(ends.home, 'tree');
  await mkdir(join(tree, 'd'), { recursive: true });
  for (const name of ['f', 'd/new']) await writeFile(join(tree, name), 'content');
  await symlink('f', join(tree, 'l'));
  lutimesSync(join(tree, 'l'), time, time);
  for (const name of ['f', 'd']) await utimes(join(tree, name), time, time);

  const { sent } = await transfer(ends, ['tree']);
  expect(sent).toMatchObject({ ok: true, filesFailed: 0 });
  const [before, after] = [tree, join(ends.inbox, 'alice', 'tree')].map((folder) => listing(folder));
  expect(await after).toEqual(await before);

  // What is there already is given the time, too; and what has it is not older than itself.
  await utimes(join(ends.inbox, 'alice', 'tree', 'f'), 1, 1);
  const again = await transfer(ends, ['tree'], { receive: { replaces: 'all' } });
  expect(again.sent).toMatchObject({ ok: true, bytesSent: 0 });
  expect(await listing(join(ends.inbox, 'alice', 'tree'))).toEqual(await before);
  const newer = await transfer(ends, ['tree'], {
    send: { onConflict: 'newer' },
    receive: { replaces: 'all' },
  });
  expect(newer.sent).toMatchObject({ ok: true, bytesSent: 0 });
});

test.skipIf(needs.sharedMemory())(
  'files of any time and size in a folder cost none of the others',
  async () => {
    const ends = await twoEnds();
    const home = await folderInMemory();
    const tree = join(home, 'tree');
    await mkdir(tree);
    for (const name of ['a', 'far', 'early', 'huge', 'huge too', 'large', 'large too', 'z'])
      await writeFile(join(tree, name), name);
    await utimes(join(tree, 'far'), '0', '9200000000000000000');
    await utimes(join(tree, 'early'), '0', '-9200000000000000000');
    // Each of the large ones may be announced, and their sum is no safe integer.
    for (const name of ['huge', 'huge too', 'large', 'large too'])
      truncateSync(join(tree, name), Number.MAX_SAFE_INTEGER);
    for (const name of ['huge', 'huge too']) appendFileSync(join(tree, name), '.');
    await mkdir(join(ends.inbox, 'alice'), { recursive: true });

    const { sent } = await transfer({ ...ends, home }, ['tree']);

    expect(codesOf(sent)).toEqual({
      'tree/huge': 'path-unsupported',
      'tree/huge too': 'path-unsupported',
      'tree/large': 'no-space',
      'tree/large too': 'no-space',
      'tree/a': undefined,
      'tree/early': undefined,
      'tree/far': undefined,
      'tree/z': undefined,
    });
    expect(sent.error).toBeUndefined();
    expect(sent.bytesTotal).toBe(Number.MAX_SAFE_INTEGER);
    expect((await readdir(join(ends.inbox, 'alice', 'tree'))).toSorted()).toEqual(['a', 'early', 'far', 'z']);

    using shared = SharedFolder.open('docs', tree);
    const kinds = [...listShared(shared, 'docs')].map(({ name, kind }) => [name, kind]);
    expect(Object.fromEntries(kinds)).toMatchObject({ huge: 'other', large: 'file', far: 'file' });
  },
);

test('an entry that the receiver cannot read is refused, and those beside it arrive', async () => {
  const ends = await twoEnds();
  const { hand, outcome } = await withReceiver(ends);
  const good = { kind: 'file', size: 0, mtimeNs: '0', mode: 0o644 };
  const bad: unknown[] = [
    { ...good, path: 'a time', mtimeNs: 'NaN' },
    { ...good, path: 'a time of no file system', mtimeNs: '9223372036854775808000000001' },
    { ...good, path: 'a full time', mtimeFullNs: '1e9' },
    { ...good, path: 'a size', size: 2 ** 53 },
    { ...good, path: 'a mode', mode: 0o10000 },
    { ...good, path: 'a kind', kind: 'FILE' },
    { ...good, path: 'd'.repeat(16_385) },
    { ...good, path: 7 },
    { ...good, path: 'a link', kind: 'link', target: null },
    { ...good, path: 'a digest', digest: 'md5:' },
    null,
    [],
    'path',
  ];
  const entries = [{ ...good, path: 'first' }, ...bad, { ...good, path: 'last' }];
  await hand.say(
    { type: 'offer', id: 'o', job: 'job', complete: '1', files: String(entries.length), bytes: '0' },
    { names: [], note: '' },
  );
  await hand.hear('answer');
  await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, entries);
  const answer = await hand.hear('entries-answer');
  if (answer === undefined) throw new Error('the receiver ended the transfer');
  const { answers } = parseEntriesAnswer(answer);
  const codes = answers.map((each) => (each.answer === 'refused' ? each.code : each.answer));
  expect(codes).toEqual(['want', ...bad.map(() => 'unsupported'), 'want']);

  for (const entry of [0, entries.length - 1]) {
    await hand.file(entry, 0);
    await hand.end(entry, Buffer.alloc(0));
  }
  await hand.say({ type: 'done' });
  await hand.hear('done');
  await hand.messenger.close();
  expect(await outcome).toMatchObject({ filesDelivered: 2, filesFailed: bad.length });
  expect((await readdir(join(ends.inbox, 'alice'))).toSorted()).toEqual(['first', 'last']);
});

test('a refusal that quotes a long name many times its length is shortened, so that its sender can read it', () => {
  const message = `the receiver cannot write ${JSON.stringify('\u0001'.repeat(3_000))}`;

  const { answers } = parseEntriesAnswer(
    formatEntriesAnswer('e', [{ answer: 'want' }, { answer: 'refused', code: 'no-space', message }]),
  );

  expect(answers).toMatchObject([{ answer: 'want' }, { answer: 'refused', code: 'no-space' }]);
});

test('of one listed thing that cannot be read the name is shown, and all else of the others', () => {
  const good = { name: 'good', kind: 'file', size: 5, mtimeNs: '0' };
  const odd = [
    { size: 2 ** 53 },
    { size: -1 },
    { mtimeNs: 'NaN' },
    { mtimeFullNs: '9'.repeat(29) },
    { kind: 'door' },
  ];
  const items = [good, ...odd.map((facts, n) => ({ ...good, ...facts, name: String(n) }))];

  const listed = parseListing(
    formatListing(
      items.map((item) => JSON.stringify(item)),
      false,
    ),
  );

  expect(listed.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    'good file',
    ...odd.map((_, n) => `${n} other`),
  ]);
});

test.skipIf(process.platform !== 'linux')(
  'a link to a name that is not UTF-8 stays, and is told',
  async () => {
    const ends = await twoEnds();
    const tree = join(ends.home, 'tree');
    await mkdir(tree);
    symlinkSync(Buffer.from([0x66, 0xff]), join(tree, 'link'));
    await writeFile(join(tree, 'good'), 'good');

    const events: SendEvent[] = [];
    const { sent } = await transfer(ends, ['tree'], { send: { on: (event) => void events.push(event) } });

    expect(codesOf(sent)).toEqual({ 'tree/good': undefined });
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'left-out',
        name: 'tree/link',
        why: expect.stringContaining('not UTF-8'),
      }),
    );
  },
);

test.skipIf(process.platform !== 'linux')(
  'what is deeper than a path can say stays, and all above it is found',
  async () => {
    const above = await freshFolder();
    onTestFinished(() => void execFileSync('rm', ['-rf', above]));
    const name = 'd'.repeat(250);
    let folder = Folder.openOwn(join(above, 'share'));
    for (let depth = 0; depth < 70; depth++) {
      using outer = folder;
      folder = outer.open(name);
    }
    folder[Symbol.dispose]();
    await writeFile(join(above, 'share', 'good'), 'good');
    using shared = SharedFolder.open('share', join(above, 'share'));

    const found: string[] = [];
    const failed: string[] = [];
    for await (const source of walkSources([{ file: 'share', shared }], {
      failed: ({ name: path, error }) => failed.push(`${error.code} ${path.length > 16_384}`),
    }))
      found.push(source.name);

    expect(failed).toEqual(['name-refused true']);
    expect(found).toContain('share/good');
    expect(Math.max(...found.map(({ length }) => length))).toBeGreaterThan(16_000);
  },
);

test.each([
  ['a file', (folder: string) => writeFile(folder, 'a file')],
  ['a link to itself', (folder: string) => symlink('folder', folder)],
  ['nothing', () => Promise.resolve()],
])(
  'a folder that became %s costs a file that is kept for the next recipient, and not their job',
  async (_, become) => {
    const home = await freshFolder();
    const folder = join(home, 'folder');
    await mkdir(folder);
    await writeFile(join(folder, 'small'), 'small');
    using shared = SharedFolder.open('home', home);
    const sources = await Promise.all([
      inspectSource({ file: join(folder, 'small') }),
      inspectSource({ file: 'home/folder/small', shared }),
    ]);
    const reads = new SharedReads();
    for (const source of sources) expect(reads.small(source)?.size).toBe(5);

    await rm(folder, { recursive: true });
    await become(folder);

    for (const source of sources) expect(reads.small(source)).toBeUndefined();
  },
);

test('a file whose folder became a file after it was opened has not changed', async () => {
  const folder = join(await freshFolder(), 'folder');
  await mkdir(folder);
  await writeFile(join(folder, 'a'), 'a');
  await using opened = await OpenSource.open(await inspectSource({ file: join(folder, 'a') }));

  await rm(folder, { recursive: true });
  await writeFile(folder, 'a file');

  expect(await opened.changed()).toBe(false);
});
