import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parseEntriesAnswer, type EntryAnswer } from '@filer/protocol';
import { numberedName } from '../../packages/transfer/src/disk/final-name.ts';
import { withReceiver, type Hand } from './by-hand.ts';
import { NAME_TRICKS } from './name-tricks.ts';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const POSITIONS: [string, (trick: string) => string][] = [
  ['as the name of a file', (trick) => trick],
  ['as a folder in the middle', (trick) => `middle/${trick}/file`],
  ['as the last component', (trick) => `last/folder/${trick}`],
];

/** Everything below a folder but what is in `except`: paths, kinds and contents. */
function snapshot(folder: string, except: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((item) => {
    const path = join(folder, item.name);
    if (path === except) return [path];
    if (item.isDirectory()) return [path, ...snapshot(path, except)];
    return [`${path}: ${item.isFile() ? readFileSync(path, 'utf8') : 'no file'}`];
  });
}

/** What must stay as it is: all around the inbox, and where a relative path could lead. */
function surroundings({ home, inbox }: TwoEnds): unknown {
  return [snapshot(home, inbox), readdirSync(process.cwd()), readdirSync(homedir()), existsSync('/x')];
}

async function withNeighbours(): Promise<TwoEnds> {
  const ends = await twoEnds();
  const inbox = join(ends.home, 'a', 'b', 'c', 'inbox');
  await mkdir(join(inbox, 'bob'), { recursive: true });
  await writeFile(join(inbox, 'bob', 'x'), 'of another sender');
  for (const above of ['a', 'a/b', 'a/b/c']) await writeFile(join(ends.home, above, 'x'), 'precious');
  await writeFile(join(ends.home, 'source'), 'content');
  return { ...ends, inbox };
}

test('there are at least 400 names that broke others', () => {
  expect(NAME_TRICKS.length).toBeGreaterThanOrEqual(400);
});

test.each(POSITIONS)(
  '%s, no trick puts a file anywhere but under exactly that name below the sender folder',
  async (_, pathOf) => {
    const ends = await withNeighbours();
    const before = surroundings(ends);
    const delivered = new Map<string, string>();
    const failed = new Map<string, string>();
    const files = NAME_TRICKS.filter((trick) => pathOf(trick).length <= 16_384).map((trick) => ({
      file: join(ends.home, 'source'),
      name: pathOf(trick),
    }));

    const { sent } = await transfer(ends, [], {
      send: {
        files,
        on: (event) => {
          if (event.type !== 'file') return;
          const { name, path, code = '' } = event.result;
          if (path === undefined) failed.set(name, code);
          else delivered.set(name, path);
        },
      },
    });

    expect(sent.error).toBeUndefined();
    expect(delivered.size + failed.size).toBe(files.length);
    for (const [name, code] of failed) {
      // Below the name of a file that another trick made no folder can be.
      const parts = name.split('/');
      const isBelowFile = parts.some((_part, n) => n > 0 && delivered.has(parts.slice(0, n).join('/')));
      expect([name, code]).toEqual([name, isBelowFile && code === 'refused' ? 'refused' : 'name-refused']);
    }
    for (const [name, path] of delivered) {
      // A folder of that name, made by another trick, stays what it is.
      const isFolder = lstatSync(join(ends.inbox, 'alice', name)).isDirectory();
      const parts = name.split('/');
      const next = [...parts.slice(0, -1), numberedName(parts.at(-1) ?? '', 1)].join('/');
      expect(path).toBe(`alice/${isFolder ? next : name}`);
      expect(parts).not.toContain('..');
      parts.forEach((part, n) => {
        expect(readdirSync(join(ends.inbox, 'alice', ...parts.slice(0, n)))).toContain(part);
      });
      expect(lstatSync(join(ends.inbox, path)).size).toBe('content'.length);
    }
    expect(readdirSync(ends.inbox).toSorted()).toEqual(['alice', 'bob']);
    expect(readdirSync(join(ends.inbox, 'bob'))).toEqual(['x']);
    expect(surroundings(ends)).toEqual(before);
  },
);

async function announce(hand: Hand, entries: readonly object[], first = 0): Promise<EntryAnswer[]> {
  const facts = { size: 0, mtimeNs: '0', mode: 0o777 };
  const content = entries.map((entry) => ({ ...facts, ...entry }));
  await hand.say({ type: 'entries', id: `e${first}`, first: String(first) }, content);
  const answer = await hand.hear('entries-answer');
  if (answer === undefined) throw new Error('the receiver ended the transfer');
  return parseEntriesAnswer(answer).answers;
}

test('no trick makes a link that leaves its folder, and nothing goes through one', async () => {
  const ends = await withNeighbours();
  const before = surroundings(ends);
  const { hand } = await withReceiver(ends);
  await hand.say({ type: 'offer', id: 'o', job: 'j', complete: '0', files: '0', bytes: '0' }, { names: [] });
  await hand.hear('answer');
  const top = join(ends.inbox, 'alice', 'top');
  const links = NAME_TRICKS.flatMap((target, n) =>
    [`top/link ${n}`, `top/folder/link ${n}`].map((path) => ({ path, kind: 'link', target })),
  );

  let first = 0;
  const made: string[] = [];
  for (; first < links.length; first += 100) {
    const batch = links.slice(first, first + 100);
    const answers = await announce(hand, batch, first);
    answers.forEach(({ answer }, n) => {
      const link = batch[n];
      if (link === undefined || answer === 'refused') return;
      const path = join(ends.inbox, 'alice', link.path);
      made.push(link.path);
      expect(readlinkSync(path)).toBe(link.target);
      expect(`${resolve(dirname(path), link.target)}/`.startsWith(`${top}/`)).toBe(true);
      const leadsTo = existsSync(path) ? realpathSync(path) : realpathSync(top);
      expect(`${leadsTo}/`.startsWith(`${realpathSync(top)}/`)).toBe(true);
    });
  }
  expect(made.length).toBeGreaterThan(100);
  first = links.length;
  for (let at = 0; at < made.length; at += 1000) {
    const below = made.slice(at, at + 1000).map((path) => ({ path: `${path}/file`, kind: 'file' }));
    const answers = await announce(hand, below, first);
    expect(new Set(answers.map(({ answer }) => answer))).toEqual(new Set(['refused']));
    first += below.length;
  }
  expect(surroundings(ends)).toEqual(before);
});
