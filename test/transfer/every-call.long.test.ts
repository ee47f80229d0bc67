import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { dial, Messenger } from '@filer/protocol';
import { cleanParts, sendFiles, type SendOutcome } from '@filer/transfer';
import { needs } from '../support/needs.ts';
import { sendOptions, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const FILES = ['small', 'large', 'empty'];

/** Sends to a process whose N-th system call of a kind goes wrong. @returns whether that call came */
async function sendToTroubled(
  ends: TwoEnds,
  inject: string,
): Promise<{ sent: SendOutcome; struck: boolean }> {
  const trace = join(ends.home, 'trace');
  const child = spawn(
    'strace',
    [
      ...['-f', '-qq', '-o', trace, '-e', `trace=${inject.split(':')[0] ?? ''}`, '-e', `inject=${inject}`],
      ...[process.execPath, '--import', fixture('sources.ts'), fixture('transfer/receiver.ts')],
      ...[ends.inbox, ends.network, ends.sender.id],
    ],
    // strace counts for each thread: one thread does all of a kind.
    { env: { ...process.env, UV_THREADPOOL_SIZE: '1' }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const first: IteratorResult<string, unknown> = await lines.next();
  if (first.done === true) throw new Error(`${inject}: the receiver did not start`);
  const { port, id } = JSON.parse(first.value) as { port: number; id: string };
  const { socket } = await dial({ transport: 'tcp', host: '127.0.0.1', port });
  const messenger = new Messenger(socket);
  const sent = await sendFiles(messenger, sendOptions(ends, FILES, { receiverId: id }));
  await messenger.close();
  await exited;
  return { sent, struck: /INJECTED|SIGKILL/.test(readFileSync(trace, 'utf8')) };
}

/** Files of the inbox under final names that are not what was sent. */
function wrongIn(ends: TwoEnds): string[] {
  const folder = join(ends.inbox, 'alice');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.filer-part-'))
    .filter((name) => !FILES.includes(name) || !isSame(join(folder, name), join(ends.home, name)));
}

function isSame(one: string, other: string): boolean {
  return readFileSync(one).equals(readFileSync(other));
}

/** Each is struck at its first, second, third… call, until it is not called so often, or often enough. */
const TROUBLES: [string, string, number][] = [
  ['killed at a write', 'pwrite64:signal=SIGKILL', 6],
  ['killed at a sync', 'fsync:signal=SIGKILL', 10],
  ['killed at a link', 'link:signal=SIGKILL', 10],
  ['killed at giving a hidden name up', 'unlink:signal=SIGKILL', 10],
  ['killed at setting permissions', 'fchmod:signal=SIGKILL', 10],
  ['without space at a write', 'pwrite64:error=ENOSPC', 6],
  ['with an error at a write', 'pwrite64:error=EIO', 6],
  ['with an error at a sync', 'fsync:error=EIO', 10],
  ['with an error at a link', 'link:error=EIO', 10],
  ['with an error at giving a hidden name up', 'unlink:error=EIO', 10],
  ['with an error at setting permissions', 'fchmod:error=EIO', 10],
];

describe.skipIf(needs('strace'))('a receiver that is', () => {
  test.each(TROUBLES)(
    '%s has whole files or none, and the next try brings the rest',
    async (_, trouble, most) => {
      let strikes = 0;
      for (let n = 1; n <= most; n++) {
        const ends = await twoEnds();
        await mkdir(ends.inbox);
        writeFileSync(join(ends.home, 'small'), randomBytes(1_000));
        writeFileSync(join(ends.home, 'large'), randomBytes(3 * 1024 * 1024 + 5));
        writeFileSync(join(ends.home, 'empty'), '');

        const { sent, struck } = await sendToTroubled(ends, `${trouble}:when=${n}`);
        expect([n, wrongIn(ends)]).toEqual([n, []]);
        expect([n, struck || sent.ok]).toEqual([n, true]);
        if (!struck) break;
        strikes++;
        // What was acknowledged is there.
        for (const { name, status } of sent.files)
          expect([name, status !== 'delivered' || existsSync(join(ends.inbox, 'alice', name))]).toEqual([
            name,
            true,
          ]);
        await cleanParts(ends.inbox, { uselessOlderThanMs: 0, now: Date.now() + 60_000 });
        const { sent: again } = await transfer(ends, FILES);
        expect([n, again.ok, wrongIn(ends)]).toEqual([n, true, []]);
        expect(readdirSync(join(ends.inbox, 'alice')).toSorted()).toEqual(FILES.toSorted());
        expect(readdirSync(ends.inbox)).toEqual(['alice']);
      }
      expect(strikes).toBeGreaterThan(0);
    },
  );
});
