import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { dial, Messenger } from '@filer/protocol';
import { sendFiles } from '@filer/transfer';
import { needs } from '../support/needs.ts';
import { sendOptions, twoEnds } from './two-ends.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** Sends one file to a process of its own, whose sync number `failing` the kernel answers with an I/O error. */
async function sendWithFailingSync(failing: number) {
  const ends = await twoEnds();
  await writeFile(join(ends.home, 'a'), 'content');
  mkdirSync(ends.inbox);
  const child = spawn(
    'strace',
    [
      ...['-f', '-qq', '-o', '/dev/null', '-e', `inject=fsync:error=EIO:when=${failing}`],
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
  const sent = await sendFiles(messenger, sendOptions(ends, ['a'], { receiverId: id }));
  await messenger.close();
  const received = await next();
  const [exitCode] = (await exited) as [number | null];
  const folder = join(ends.inbox, 'alice');
  return { sent, received, exitCode, left: existsSync(folder) ? readdirSync(folder) : [] };
}

describe.skipIf(needs('strace'))(
  'a sync that fails leaves no part and no final name, and ends no process:',
  () => {
    test.each([
      ['of the new folder', 1],
      ['of the file', 2],
      ['of the final name', 3],
    ])('%s', async (_, failing) => {
      const { sent, received, exitCode, left } = await sendWithFailingSync(failing);

      expect(sent).toMatchObject({ ok: false, files: [{ name: 'a', code: 'home-not-writable' }] });
      expect(received).toMatchObject({ ok: false });
      expect(exitCode).toBe(0);
      expect(left).toEqual([]);
    });

    test('when none fails the file is there', async () => {
      const { sent, left } = await sendWithFailingSync(1000);

      expect(sent).toMatchObject({ ok: true, files: [{ status: 'delivered' }] });
      expect(left).toEqual(['a']);
    });
  },
);
