import { appendFileSync, lstatSync, statSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, readlink, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { identityOf, versionOf, type SendEvent, type SourceFile } from '@filer/transfer';
import { transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

/** What is below `tree`, as it is now. */
function chosen({ home }: TwoEnds, path: string): SourceFile {
  const file = join(home, 'tree', path);
  const version = versionOf(identityOf(lstatSync(file, { bigint: true })));
  return { file, name: `tree/${path}`, alone: { below: path, version } };
}

function top({ home }: TwoEnds): SourceFile {
  return { file: join(home, 'tree'), name: 'tree', alone: {} };
}

async function makeTree(): Promise<TwoEnds> {
  const ends = await twoEnds();
  await mkdir(join(ends.home, 'tree', 'sub'), { recursive: true });
  await writeFile(join(ends.home, 'tree', 'sub', 'a'), 'a');
  await writeFile(join(ends.home, 'tree', 'sub', 'b'), 'b');
  return ends;
}

test('what was chosen of a folder arrives at its place in the tree, and nothing else does', async () => {
  const ends = await makeTree();
  await symlink('a', join(ends.home, 'tree', 'sub', 'link'));
  await chmod(join(ends.home, 'tree', 'sub'), 0o750);
  await utimes(join(ends.home, 'tree', 'sub'), 1_000_000, 1_000_000);
  const files = [
    top(ends),
    { file: join(ends.home, 'tree/sub'), name: 'tree/sub', alone: { below: 'sub' } },
    chosen(ends, 'sub/a'),
    { file: join(ends.home, 'tree/sub/link'), name: 'tree/sub/link', alone: { below: 'sub/link' } },
  ];

  const { sent } = await transfer(ends, [], { send: { files } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 2 });
  const there = join(ends.inbox, 'alice', 'tree', 'sub');
  expect(await readdir(there)).toEqual(['a', 'link']);
  expect(await readlink(join(there, 'link'))).toBe('a');
  const { mode, mtimeMs } = statSync(there);
  expect([mode & 0o777, Math.round(mtimeMs)]).toEqual([0o750, 1_000_000_000]);
});

test('a file that is not any more what was chosen stays here, and the others arrive', async () => {
  const ends = await makeTree();
  const files = [chosen(ends, 'sub/a'), chosen(ends, 'sub/b')];
  appendFileSync(join(ends.home, 'tree/sub/a'), 'more');

  const { sent } = await transfer(ends, [], { send: { files } });

  expect(sent.files.map(({ name, code }) => [name, code])).toEqual([
    ['tree/sub/a', 'source-changed'],
    ['tree/sub/b', undefined],
  ]);
  expect(await readdir(join(ends.inbox, 'alice', 'tree', 'sub'))).toEqual(['b']);
});

test('a file that is written to while it is sent is not sent once more as it happens to be then', async () => {
  const ends = await makeTree();
  const file = join(ends.home, 'tree/sub/a');
  await writeFile(file, Buffer.alloc(3 * MiB, 1));
  const files = [chosen(ends, 'sub/a'), chosen(ends, 'sub/b')];
  let changed = false;
  const on = (event: SendEvent): void => {
    if (event.type !== 'progress' || changed) return;
    changed = true;
    writeFileSync(file, Buffer.alloc(3 * MiB, 2));
  };

  const { sent, received } = await transfer(ends, [], { send: { files, on } });

  expect(changed).toBe(true);
  expect(sent.error).toBeUndefined();
  expect(sent.files.map(({ name, code }) => [name, code])).toEqual([
    ['tree/sub/a', 'source-changed'],
    ['tree/sub/b', undefined],
  ]);
  expect(received).toMatchObject({ filesDelivered: 1, filesFailed: 1 });
  expect(await readdir(join(ends.inbox, 'alice', 'tree', 'sub'))).toEqual(['b']);
  expect(await readFile(join(ends.inbox, 'alice/tree/sub/b'), 'utf8')).toBe('b');
});
