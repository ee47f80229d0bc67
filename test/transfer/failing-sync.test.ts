import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dial, Messenger } from '@filer/protocol';
import { sendFiles } from '@filer/transfer';
import { needs } from '../support/needs.ts';
import { sendOptions, twoEnds } from './two-ends.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Sends one file to a process of its own, some of whose system calls the kernel answers in its own way. */
async function sendToTroubled(
  inject: string,
  content: string | Buffer = 'content',
  names = ['a'],
  logged: readonly string[] = ['-o', '/dev/null'],
) {
  const ends = await twoEnds();
  for (const name of names) await writeFile(join(ends.home, name), content);
  mkdirSync(ends.inbox);
  const child = spawn(
    'strace',
    [
      ...['-f', '-qq', ...logged, '-e', `inject=${inject}`],
      ...[process.execPath, '--import', fixture('sources.ts'), fixture('transfer/receiver.ts')],
      ...[ends.inbox, ends.network, ends.sender.id],
    ],
    // strace counts for each thread: one thread makes every sync.
    {
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    },
  );
  onTestFinished(() => {
    // The group: strace that is killed alone lets its program run on.
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  });
  const exited = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const line: IteratorResult<string, unknown> = await lines.next();
    return line.done === true ? undefined : JSON.parse(line.value);
  };

  const { port, id } = Object(await next()) as { port: number; id: string };
  const { socket } = await dial({ transport: 'tcp', host: '127.0.0.1', port });
  const messenger = new Messenger(socket);
  const sent = await sendFiles(messenger, sendOptions(ends, names, { receiverId: id }));
  await messenger.close();
  const received = await next();
  const [exitCode] = (await exited) as [number | null];
  const folder = join(ends.inbox, 'alice');
  return { sent, received, exitCode, left: existsSync(folder) ? readdirSync(folder) : [], folder };
}

/** More than is synced at a time while it comes in. */
const LARGE = Buffer.alloc(40 * 1024 * 1024, 'filer');

describe.skipIf(needs('strace'))(
  'a sync that fails leaves no part and no final name, and ends no process:',
  () => {
    test.each([
      ['of the new folder', 'fsync', 1],
      ['of the file', 'fsync', 2],
      ['of the final name', 'fsync', 3],
      ['of what came so far', 'fdatasync', 1],
    ])('%s', async (_, call, failing) => {
      const { sent, received, exitCode, left } = await sendToTroubled(
        `${call}:error=EIO:when=${failing}`,
        call === 'fsync' ? 'content' : LARGE,
      );

      expect(sent).toMatchObject({ ok: false, files: [{ name: 'a', code: 'home-not-writable' }] });
      expect(received).toMatchObject({ ok: false });
      expect(exitCode).toBe(0);
      expect(left).toEqual([]);
    });

    test('when none fails the file is there', async () => {
      const { sent, left } = await sendToTroubled('fsync:error=EIO:when=1000');

      expect(sent).toMatchObject({ ok: true, files: [{ status: 'delivered' }] });
      expect(left).toEqual(['a']);
    });
  },
);

describe.skipIf(needs('strace'))('a sync of many small files that fails:', () => {
  const names = Array.from({ length: 40 }, (_, n) => `many-${n}`);

  test.each([
    ['of their contents', 1],
    ['of their names', 2],
  ])(
    '%s: it may be for what another program wrote, so each goes to the disk for itself',
    async (_, failing) => {
      const { sent, received, exitCode, left } = await sendToTroubled(
        `syncfs:error=EIO:when=${failing}`,
        'content',
        names,
      );

      expect(sent).toMatchObject({ ok: true, filesDelivered: names.length });
      expect(received).toMatchObject({ ok: true });
      expect(left.toSorted()).toEqual(names.toSorted());
      expect(exitCode).toBe(0);
    },
  );

  test('none is of another file system than the files go to', async () => {
    const { home } = await twoEnds();
    const log = join(home, 'log');
    const logged = ['-o', log, '-y', '-e', 'trace=syncfs'];
    const { sent, folder } = await sendToTroubled('syncfs:delay_enter=1', 'content', names, logged);

    expect(sent).toMatchObject({ ok: true });
    const synced = [...readFileSync(log, 'utf8').matchAll(/syncfs\(\d+<([^>]*)>/g)].map(([, path]) => path);
    // A disk may be mounted on the sender's own folder.
    expect(new Set(synced)).toEqual(new Set([folder]));
  });

  test('one that says nothing of a file system that became read-only gives no receipt', async () => {
    // So does `syncfs` of older kernels; `fsync` tells.
    const { sent, left } = await sendToTroubled('fsync:error=EROFS:when=2+', 'content', names);

    expect(sent).toMatchObject({ ok: false, filesDelivered: 0 });
    expect(left).toEqual([]);
  });

  test('with a disk that is lost costs those that waited for it alone', async () => {
    const { sent, exitCode, left } = await sendToTroubled('fsync,syncfs:error=EIO:when=2+', 'content', names);

    const delivered = sent.files.filter(({ status }) => status === 'delivered').map(({ name }) => name);
    const failed = sent.files.filter(({ status }) => status === 'failed');
    expect(left.toSorted()).toEqual(delivered.toSorted());
    expect(delivered.length + failed.length).toBe(names.length);
    expect(failed.every(({ code }) => code === 'home-not-writable')).toBe(true);
    // Where a command makes the call, each has a first one and no second one.
    expect(failed.length > 0 || !isBuiltin('node:ffi')).toBe(true);
    expect(exitCode).toBe(0);
  });
});

test.skipIf(needs('strace'))('a disk that is slow to write takes the file all the same', async () => {
  const { sent, folder } = await sendToTroubled('pwrite64:delay_enter=25000:when=1..20', LARGE);

  expect(sent).toMatchObject({ ok: true, files: [{ status: 'delivered' }] });
  expect(LARGE.equals(readFileSync(join(folder, 'a')))).toBe(true);
});
