import { chmodSync, chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { compileCacheIn } from '../../packages/program/src/compile-cache.ts';
import { needs } from '../support/needs.ts';

let folder: string;
let program: string;
let env: Record<string, string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-test-compiled-'));
  const made = folder;
  onTestFinished(() => rm(made, { recursive: true }));
  program = join(folder, 'program');
  mkdirSync(program);
  env = { HOME: folder };
});

test("compiled code is kept in the program's own folder, for this user alone", () => {
  const own = join(program, '.compiled');

  expect(compileCacheIn(program, env)).toBe(own);
  expect(statSync(own).mode & 0o777).toBe(0o700);
  expect(existsSync(join(folder, '.cache'))).toBe(false);
});

test("where the program's folder cannot be written it is kept in the user's folder for caches", () => {
  writeFileSync(join(program, '.compiled'), '');

  expect(compileCacheIn(program, env)).toBe(join(folder, '.cache', 'filer'));
  expect(compileCacheIn(program, { ...env, XDG_CACHE_HOME: join(folder, 'caches') })).toBe(
    join(folder, 'caches', 'filer'),
  );
  // The specification has relative ones ignored.
  expect(compileCacheIn(program, { ...env, XDG_CACHE_HOME: 'caches' })).toBe(join(folder, '.cache', 'filer'));
});

test('a folder that others may write to is not used: what it holds is run', () => {
  const own = join(program, '.compiled');
  mkdirSync(own);
  chmodSync(own, 0o770);

  expect(compileCacheIn(program, env)).toBe(join(folder, '.cache', 'filer'));
});

test.skipIf(needs.root())('nor is one that belongs to another user', () => {
  const own = join(program, '.compiled');
  const users = join(folder, '.cache', 'filer');
  for (const each of [own, users]) {
    mkdirSync(each, { recursive: true });
    chownSync(each, 12_345, 12_345);
  }

  expect(compileCacheIn(program, env)).toBeUndefined();
});

test.skipIf(needs.root())('nor is one in a folder of another user, who could put another one there', () => {
  writeFileSync(join(program, '.compiled'), '');
  chownSync(folder, 12_345, 12_345);

  expect(compileCacheIn(program, env)).toBeUndefined();
  expect(existsSync(join(folder, '.cache'))).toBe(false);

  chownSync(folder, 0, 0);
  chmodSync(folder, 0o777);

  expect(compileCacheIn(program, env)).toBeUndefined();
});

test('nothing is kept where no folder can be made, and no home is made for it', () => {
  writeFileSync(join(program, '.compiled'), '');
  const home = join(folder, 'no-home');

  expect(compileCacheIn(program, { HOME: home })).toBeUndefined();
  expect(existsSync(home)).toBe(false);
});
