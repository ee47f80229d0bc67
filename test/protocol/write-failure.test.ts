import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { writeFailure } from '@filer/protocol';

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: something, open '/x'`), { code });
}

test.each([
  ['ENOSPC', 'no-space', 'the disk is full'],
  ['EDQUOT', 'no-space', 'quota'],
  ['EROFS', 'home-not-writable', 'read-only'],
  ['EACCES', 'home-not-writable', 'may not write'],
  ['EPERM', 'home-not-writable', 'may not write'],
  ['ENOENT', 'home-not-writable', 'not there'],
  ['ENOTDIR', 'home-not-writable', 'a file is where'],
  ['EEXIST', 'home-not-writable', 'a file has the name'],
  ['EIO', 'home-not-writable', 'the disk failed'],
  ['EMFILE', 'home-not-writable', 'too many files'],
  ['ESTALE', 'home-not-writable', "ESTALE: something, open '/x'"],
])('%s has a sentence of its own', (code, meaning, why) => {
  const error = writeFailure('cannot write /home/x', '/home/x', systemError(code), { otherwise: 'go away' });

  expect(error.code).toBe(meaning);
  expect(error.message).toMatch(/^cannot write \/home\/x.*, or go away$/);
  expect(error.message).toContain(why);
  expect(error.message).toContain(code);
});

test('what SQLite does not say is found out by a write beside the file, which leaves nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-write-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'file'), '');
  const failureOf = (file: string): Error => {
    try {
      new DatabaseSync(file).exec('CREATE TABLE a (b)');
    } catch (error) {
      return writeFailure(`cannot open ${file}`, file, error);
    }
    throw new Error('it opened');
  };

  expect(failureOf(join(folder, 'file', 'x.db')).message).toContain('(ENOTDIR)');
  expect(failureOf(join(folder, 'none', 'x.db')).message).toContain('(ENOENT)');
  expect(failureOf(folder).message).toContain('unable to open database file');
});
