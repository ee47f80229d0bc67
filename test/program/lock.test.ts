import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { acquireLock } from '@filer/program';
import { FilerError } from '@filer/protocol';
import { expect, test } from 'vitest';
import { ended, firstWords, start } from './spawned.ts';

async function lockFile(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'filer-lock-')), 'daemon.lock');
}

test('a second holder in the same process is told the pid of the first', async () => {
  const file = await lockFile();
  const lock = await acquireLock(file);
  await expect(acquireLock(file)).rejects.toMatchObject({
    code: 'already-running',
    message: expect.stringContaining(`process ${process.pid}`),
  });
  await lock.release();
});

test('a released lock can be taken again, and releasing twice does not free it for a third', async () => {
  const file = await lockFile();
  const first = await acquireLock(file);
  await first.release();
  const second = await acquireLock(file);
  await first.release();
  await expect(acquireLock(file)).rejects.toMatchObject({ code: 'already-running' });
  await second.release();
});

test('a passing lock leaves no file, and of many that wait for it never two have it', async () => {
  const file = await lockFile();
  let [holders, most, served] = [0, 0, 0];
  const take = async (): Promise<void> => {
    for (;;) {
      try {
        const lock = await acquireLock(file, { passing: true });
        most = Math.max(most, ++holders);
        await turn();
        holders--;
        served++;
        return await lock.release();
      } catch (error) {
        if (!(error instanceof FilerError) || error.code !== 'already-running') throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: 6 }, take));

  expect([most, served]).toEqual([1, 6]);
  expect(await readdir(dirname(file))).toEqual([]);
});

test('the lock of a process that was killed is taken over', async () => {
  const file = await lockFile();
  const holder = start('lock-holder', file);
  expect(await firstWords(holder)).toBe('held\n');
  await expect(acquireLock(file)).rejects.toThrow(`process ${holder.pid}`);
  const gone = ended(holder);
  holder.kill('SIGKILL');
  await gone;
  const lock = await acquireLock(file);
  await lock.release();
});

test('of twenty processes that start at once exactly one holds the lock, and the others name it', async () => {
  const file = await lockFile();
  const children = Array.from({ length: 20 }, () => start('lock-holder', file));
  const words = await Promise.all(children.map(firstWords));
  const winner = words.indexOf('held\n');
  const losers = words.filter((_, index) => index !== winner);
  expect(losers).toHaveLength(19);
  for (const line of losers) expect(line).toContain(`process ${children[winner]?.pid}`);
  const gone = Promise.all(children.map(async (child) => child.exitCode ?? (await ended(child)).code));
  children[winner]?.kill('SIGKILL');
  await gone;
});

test('a file that is no lock is an error that names it, and is left as it is', async () => {
  const file = await lockFile();
  await writeFile(file, 'something else altogether, longer than a header would be'.repeat(40));
  const failure: unknown = await acquireLock(file).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(FilerError);
  expect(failure).toMatchObject({ code: 'home-not-writable', message: expect.stringContaining(file) });
});
