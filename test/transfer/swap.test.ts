import { statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canExchange, Folder, hasSwapped, StagePlaces } from '@filer/transfer';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'filer-'));
  for (const [side, text] of [
    ['now', 'old'],
    ['now/stage', 'new'],
  ] as const) {
    await put(side, 'top', text);
  }
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

async function put(side: string, top: string, text: string): Promise<void> {
  await mkdir(join(root, side, top), { recursive: true });
  await writeFile(join(root, side, top, 'file'), text);
}

function open(): StagePlaces {
  const places = StagePlaces.open(root, 'now', 'stage');
  if (places === undefined) throw new Error('it was made a moment ago');
  return places;
}

async function swapTop(): Promise<void> {
  using places = open();
  await places.swap(places.switchOf('top'));
}

function inodeAt(path: string): number {
  return statSync(join(root, path)).ino;
}

/** @returns how often a program was started that can exchange names */
async function countPrograms(): Promise<() => Promise<number>> {
  const [bin, log, path] = [join(root, 'bin'), join(root, 'log'), process.env['PATH'] ?? ''];
  await mkdir(bin);
  await writeFile(log, '');
  for (const program of ['perl', 'python3', 'mv']) {
    const script = `#!/bin/sh\necho x >>'${log}'\nPATH='${path}' exec ${program} "$@"\n`;
    await writeFile(join(bin, program), script, { mode: 0o755 });
  }
  vi.stubEnv('PATH', `${bin}:${path}`);
  return async () => (await readFile(log, 'utf8')).length / 2;
}

test('a machine that can exchange is found out without a trace', async () => {
  using folder = Folder.openOwn(root);
  expect(await canExchange(folder)).toBe(true);
  expect((await readdir(root)).toSorted()).toEqual(['now']);
});

test('where no program can exchange two names nothing is moved, and that is said', async () => {
  vi.stubEnv('PATH', '/nowhere');
  using folder = Folder.openOwn(root);
  expect(await canExchange(folder)).toBe(false);
  const before = [inodeAt('now/top'), inodeAt('now/stage/top')];

  await expect(swapTop()).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('"top"'),
  });

  expect([inodeAt('now/top'), inodeAt('now/stage/top')]).toEqual(before);
  expect((await readdir(root)).toSorted()).toEqual(['now']);
});

test('many names are exchanged by one program', async () => {
  const tops = Array.from({ length: 100 }, (_, n) => `top${n}`);
  for (const top of tops) {
    await put('now', top, 'old');
    await put('now/stage', top, 'new');
  }
  using places = open();
  const switches = tops.map((top) => places.switchOf(top));
  const started = await countPrograms();

  for (const each of switches) await places.swap(each);
  for (const each of switches) await places.swap(each); // once more, as after a kill

  for (const top of tops) expect(await readFile(join(root, 'now', top, 'file'), 'utf8')).toBe('new');
  expect(await started()).toBe(1);
});

test('a program that ends in the middle is followed by the next one', async () => {
  const bin = join(root, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'perl'), '#!/bin/sh\nread line\nexit 1\n', { mode: 0o755 });
  vi.stubEnv('PATH', `${bin}:${process.env['PATH'] ?? ''}`);

  await swapTop();

  expect(await readFile(join(root, 'now/top/file'), 'utf8')).toBe('new');
  expect(await readFile(join(root, 'now/stage/top/file'), 'utf8')).toBe('old');
});

test.each([
  ['nothing changed', 'a', 'b', { at: 'b', from: 'a' }, false],
  ['it was exchanged', 'a', 'b', { at: 'a', from: 'b' }, true],
  ['nothing was there, and is not', 'a', null, { at: undefined, from: 'a' }, false],
  ['nothing was there', 'a', null, { at: 'a', from: undefined }, true],
  ['nothing was there, and what came was moved away', 'a', null, { at: undefined, from: undefined }, true],
  [
    'nothing is to be there, and what was there was moved away',
    null,
    'b',
    { at: undefined, from: undefined },
    true,
  ],
  ['the folder above the name was replaced', 'a', 'b', { at: undefined, from: 'a' }, false],
  ['that folder was replaced after it', 'a', 'b', { at: undefined, from: 'b' }, true],
])('whether a name was switched: %s', (_, wanted, before, found, expected) => {
  expect(hasSwapped({ top: 'x', wanted, before }, found)).toBe(expected);
});

test.each([
  ['a', 'b', { at: undefined, from: undefined }],
  ['a', 'b', { at: 'c', from: 'c' }],
  ['a', 'b', { at: 'b', from: undefined }],
  ['a', null, { at: 'c', from: undefined }],
])('what is to be %s and was %s is not told where %j is found', (wanted, before, found) => {
  expect(() => hasSwapped({ top: 'x', wanted, before }, found)).toThrow(
    expect.objectContaining({ code: 'refused' }),
  );
});
