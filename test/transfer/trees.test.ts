import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { chmod, lutimes, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { withReceiver, withSender, type Hand } from './by-hand.ts';
import { listing } from './listing.ts';
import { codesOf, freshFolder, transfer, twoEnds } from './two-ends.ts';

/** A folder with a bit of everything, in `parent`. */
async function someTree(parent: string): Promise<void> {
  const tree = join(parent, 'tree');
  await mkdir(join(tree, 'a', 'b'), { recursive: true });
  await mkdir(join(tree, 'empty', 'deep empty'), { recursive: true });
  await mkdir(join(tree, 'read-only'));
  await writeFile(join(tree, 'a', 'large'), randomBytes(3 * 1024 * 1024));
  await writeFile(join(tree, 'a', 'b', 'run.sh'), '#!/bin/sh\n');
  await chmod(join(tree, 'a', 'b', 'run.sh'), 0o755);
  const names = ['-rf', ' ', 'a\nb', 'ü', 'u\u0308', '.hidden', 'exe\u202egpj.bat', 'zero'];
  for (const name of names) await writeFile(join(tree, 'read-only', name), name === 'zero' ? '' : name);
  await symlink('../b/run.sh', join(tree, 'a', 'up'));
  await symlink('b', join(tree, 'a', 'folder'));
  await symlink('not there', join(tree, 'dangling'));
  await symlink('../a/b/run.sh', join(tree, 'read-only', 'over'));
  await lutimes(join(tree, 'dangling'), 1_500_000_000, 1_500_000_000.25);
  await chmod(join(tree, 'read-only'), 0o555);
  await chmod(join(tree, 'a', 'b'), 0o700);
  for (const [n, path] of [
    'a/b/run.sh',
    'a/b',
    'a',
    'empty/deep empty',
    'empty',
    'read-only',
    '',
  ].entries()) {
    await utimes(join(tree, path), 1_600_000_000 + n, 1_600_000_000.123456 + n);
  }
}

describe('a folder', () => {
  test.each([true, false])(
    'arrives with its modes, times, links and empty folders (sync: %s)',
    async (sync) => {
      const ends = await twoEnds();
      await someTree(ends.home);

      const { sent, received } = await transfer(ends, ['tree'], { receive: { sync } });

      expect(sent).toMatchObject({ ok: true, filesFailed: 0, filesDelivered: 14 });
      expect(received).toMatchObject({ ok: true, filesDelivered: 14, bytesReceived: sent.bytesSent });
      expect(await listing(join(ends.inbox, 'alice', 'tree'))).toEqual(
        await listing(join(ends.home, 'tree')),
      );
      expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['tree']);
    },
  );

  test('merges with the one that is there, even if that is read-only; its files keep theirs', async () => {
    const ends = await twoEnds();
    const [here, there] = [join(ends.home, 'tree'), join(ends.inbox, 'alice', 'tree')];
    await mkdir(join(here, 'sub'), { recursive: true });
    await mkdir(join(there, 'sub'), { recursive: true });
    await writeFile(join(there, 'sub', 'a.txt'), 'theirs');
    await writeFile(join(there, 'sub', 'other'), 'other');
    await chmod(join(there, 'sub'), 0o555);
    await writeFile(join(here, 'sub', 'a.txt'), 'new content');

    const { sent } = await transfer(ends, ['tree']);

    expect(sent.ok).toBe(true);
    expect((await readdir(join(there, 'sub'))).toSorted()).toEqual(['a (1).txt', 'a.txt', 'other']);
    expect(await readFile(join(there, 'sub', 'a.txt'), 'utf8')).toBe('theirs');
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual(['tree']);
  });

  test('goes together with files, and what cannot be sent of it is told one by one', async () => {
    const ends = await twoEnds();
    const tree = join(ends.home, 'tree');
    await mkdir(tree);
    await writeFile(join(tree, 'good'), 'x');
    await writeFile(join(ends.home, 'file'), 'y');
    execFileSync('bash', ['-c', 'mkfifo "$1"/pipe', '-', tree]);
    await symlink('/etc/passwd', join(tree, 'absolute'));
    await symlink('../file', join(tree, 'escapes'));
    await symlink('good/../../file', join(tree, 'climbs'));
    execFileSync('bash', ['-c', 'echo > "$1"/$\'not-\\xff-utf8\'', '-', tree]);

    const { sent, received } = await transfer(ends, ['tree', 'file', 'missing']);

    expect(codesOf(sent)).toEqual({
      'tree/good': undefined,
      file: undefined,
      missing: 'path-missing',
      'tree/pipe': 'path-unsupported',
      'tree/not-\ufffd-utf8': 'path-unsupported',
    });
    expect(received).toMatchObject({ ok: true, filesDelivered: 2 });
    expect(await readdir(join(ends.inbox, 'alice', 'tree'))).toEqual(['good']);
  });

  test('that a link of a person leads to is sent under the name of the link', async () => {
    const ends = await twoEnds();
    await mkdir(join(ends.home, 'real'));
    await writeFile(join(ends.home, 'real', 'a'), 'x');
    await symlink('real', join(ends.home, 'alias'));

    await transfer(ends, ['alias']);

    expect(await readFile(join(ends.inbox, 'alice', 'alias', 'a'), 'utf8')).toBe('x');
  });

  test('that holds nothing arrives', async () => {
    const ends = await twoEnds();
    await mkdir(join(ends.home, 'tree'));

    const { sent } = await transfer(ends, ['tree']);

    expect(sent).toMatchObject({ ok: true, filesDelivered: 0 });
    expect(await readdir(join(ends.inbox, 'alice', 'tree'))).toEqual([]);
  });
});

test('a thousand names as long and as nasty as they may be fit into the messages', async () => {
  const ends = await twoEnds();
  let folder = join(ends.home, 'tree');
  for (let depth = 0; depth < 11; depth++) folder = join(folder, '\u0001'.repeat(250));
  await mkdir(folder, { recursive: true });
  for (let n = 0; n < 1_000; n++) writeFileSync(join(folder, `${n}`), '');

  const { sent } = await transfer(ends, ['tree']);
  const again = await transfer(ends, ['tree']);

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1_000 });
  expect(again.sent).toMatchObject({ ok: true, filesSkipped: 1_000 });
});

test('the first file of a large tree is on its way before the tree was walked', async () => {
  const ends = await twoEnds();
  for (let n = 0; n < 6_000; n++) {
    if (n % 1_000 === 0) mkdirSync(join(ends.home, 'tree', String(n)), { recursive: true });
    writeFileSync(join(ends.home, 'tree', String(n - (n % 1_000)), String(n)), 'x');
  }
  const { hand, outcome } = await withSender(ends, ['tree']);
  const offer = await hand.hear('offer');
  expect(offer?.header['complete']).toBe('0');
  expect(Number(offer?.header['files'])).toBeLessThan(1_000);
  expect(JSON.parse(offer?.content.toString() ?? '')).toMatchObject({ names: ['tree'] });

  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  let last: string | undefined;
  for (;;) {
    const message = await hand.hear('entries', 'file');
    if (message?.header['type'] === 'file') break;
    last = message?.header['last'];
    const entries = JSON.parse(message?.content.toString() ?? '') as { kind: string; path: string }[];
    const answers = entries.map(({ kind, path }) =>
      kind === 'file' ? { answer: 'want' } : { answer: 'made', path },
    );
    await hand.say({ type: 'entries-answer', re: message?.header['id'] ?? '' }, answers);
  }
  expect(last).toBeUndefined();

  hand.messenger.destroy();
  await outcome;
});

test('6,000 small files arrive in flat memory', async () => {
  const ends = await twoEnds();
  const tree = join(ends.home, 'tree');
  for (let n = 0; n < 6_000; n++) {
    const folder = join(tree, String(n % 100));
    if (n < 100) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file ${n}`), `content of ${n}`.repeat(20));
  }
  const atStart = process.memoryUsage().rss;
  let peak = 0;
  let files = 0;
  const on = (): void => {
    if (files++ % 1_000 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  };

  const { sent } = await transfer(ends, ['tree'], { send: { on } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 6_000 });
  expect(sent.files.length).toBeLessThanOrEqual(2_000);
  expect(peak - atStart).toBeLessThan(192 * 1024 * 1024);
  expect(await listing(join(ends.inbox, 'alice', 'tree'))).toEqual(await listing(tree));
});

interface Answer {
  readonly answer: string;
  readonly code?: string;
}

async function announce(hand: Hand, entries: readonly object[]): Promise<Answer[]> {
  await hand.say({ type: 'offer', id: 'o', job: 'j', complete: '0', files: '1', bytes: '1' }, { names: [] });
  await hand.hear('answer');
  const common = { size: 0, mtimeNs: '0', mode: 0o755 };
  await hand.say(
    { type: 'entries', id: 'e', first: '0', last: '1' },
    entries.map((entry) => ({ ...common, ...entry })),
  );
  return JSON.parse((await hand.hear('entries-answer'))?.content.toString() ?? '') as Answer[];
}

describe('a hostile sender', () => {
  test('makes no link that leaves the first folder of its path', async () => {
    const ends = await twoEnds();
    const { hand } = await withReceiver(ends);
    const link = (path: string, target?: string): object => ({ path, kind: 'link', target });

    const refused = await announce(hand, [
      link('t/a', '/etc/passwd'),
      link('t/b', '..'),
      link('t/c', '../x'),
      link('t/d/e', '../../x'),
      link('t/f', 'x/../../y'),
      link('t/g', 'x/../y'),
      link('t/h', ''),
      link('t/i', 'a\0b'),
      link('t/j', undefined),
      link('top', 'x'),
      link('../t/k', 'x'),
    ]);

    expect(refused.map(({ answer }) => answer)).toEqual(refused.map(() => 'refused'));
    expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
  });

  test('cannot send below a link of its own, nor below a file, nor a folder in the place of either', async () => {
    const ends = await twoEnds();
    const outside = await freshFolder();
    await mkdir(join(ends.inbox, 'alice', 't'), { recursive: true });
    await writeFile(join(ends.inbox, 'alice', 't', 'file'), 'x');
    await symlink(outside, join(ends.inbox, 'alice', 't', 'planted'));
    const { hand } = await withReceiver(ends);

    const answers = await announce(hand, [
      { path: 't', kind: 'dir' },
      { path: 't/sub', kind: 'dir' },
      { path: 't/own', kind: 'link', target: 'sub' },
      { path: 't/own/a', kind: 'file' },
      { path: 't/own/b', kind: 'dir' },
      { path: 't/own/c', kind: 'link', target: 'x' },
      { path: 't/own', kind: 'dir' },
      { path: 't/file/a', kind: 'file' },
      { path: 't/file', kind: 'dir' },
      { path: 't/planted/a', kind: 'file' },
      { path: 't/planted', kind: 'dir' },
      { path: 't/..', kind: 'dir' },
      { path: 't/large', kind: 'dir', size: 5 },
      { path: 't/good', kind: 'file' },
    ]);

    expect(answers.map(({ answer }) => answer)).toEqual([
      'made',
      'made',
      'made',
      ...Array.from({ length: 10 }, () => 'refused'),
      'want',
    ]);
    expect(await readdir(outside)).toEqual([]);
    expect(await readdir(join(ends.inbox, 'alice', 't', 'sub'))).toEqual([]);
  });

  test('gives no folder set-user-id, set-group-id or sticky', async () => {
    const ends = await twoEnds();
    const { hand, outcome } = await withReceiver(ends);

    await announce(hand, [{ path: 't', kind: 'dir', mode: 0o7751 }]);
    await hand.say({ type: 'done' });
    await hand.hear('done');

    expect(await outcome).toMatchObject({ ok: true });
    expect((await stat(join(ends.inbox, 'alice', 't'))).mode & 0o7777).toBe(0o751);
  });

  test('cannot stream a folder or a link', async () => {
    const ends = await twoEnds();
    const { hand } = await withReceiver(ends);
    await announce(hand, [{ path: 't', kind: 'dir' }]);

    await hand.file(0, 0);

    expect((await hand.hear('error'))?.header['code']).toBe('unexpected-message');
  });
});

test('a link that is there already is not made again, and another one gets the next name', async () => {
  const ends = await twoEnds();
  await mkdir(join(ends.home, 'tree'));
  await symlink('a', join(ends.home, 'tree', 'link'));
  await transfer(ends, ['tree']);

  const { sent } = await transfer(ends, ['tree']);
  expect(sent).toMatchObject({ ok: true, filesDelivered: 0, filesSkipped: 1 });

  await mkdir(join(ends.home, 'other'));
  await symlink('b', join(ends.home, 'other', 'link'));
  await transfer(ends, [], { send: { files: [{ file: join(ends.home, 'other'), name: 'tree' }] } });
  expect((await readdir(join(ends.inbox, 'alice', 'tree'))).toSorted()).toEqual(['link', 'link (1)']);
});
