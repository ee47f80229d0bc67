import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { PART_PREFIX, receiveFiles, sendFiles, type SendEvent } from '@filer/transfer';
import { SpooledStream } from '../../apps/filer-client/src/send/spooled-stream.ts';
import { connected, receiveOptions, sendOptions, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

const MiB = 1024 * 1024;

async function spool(): Promise<{ ends: TwoEnds; input: PassThrough; spooled: SpooledStream }> {
  const ends = await twoEnds();
  const input = new PassThrough();
  const spooled = await SpooledStream.open(input, join(ends.home, 'spooled'));
  onTestFinished(async () => {
    input.end();
    await spooled.reach(Infinity).catch(() => undefined); // its file is closed
  });
  return { ends, input, spooled };
}

function named(spooled: SpooledStream) {
  return [{ file: spooled.file, name: 'x.tar', growing: spooled }];
}

async function received(ends: TwoEnds): Promise<Buffer> {
  return await readFile(join(ends.inbox, 'alice', 'x.tar'));
}

test('what is still being written goes while it comes, and is whole in the end', async () => {
  const { ends, input, spooled } = await spool();
  const content = randomBytes(5 * MiB + 77);
  input.write(content.subarray(0, 100));
  let totals: unknown;
  // Each piece is written only when the one before it was sent.
  const steps = [100, 3 * MiB + 1, content.length];
  const on = (event: SendEvent): void => {
    if (event.type !== 'progress') return;
    totals = [event.bytesTotal, event.complete];
    if (event.fileBytes !== steps[0]) return;
    const from = steps.shift() ?? 0;
    if (steps[0] === undefined) input.end();
    else input.write(content.subarray(from, steps[0]));
  };

  const { sent } = await transfer(ends, [], { send: { files: named(spooled), on } });

  expect(sent).toMatchObject({ ok: true, filesDelivered: 1, bytesSent: content.length });
  expect(totals).toEqual([content.length, true]);
  expect(content.equals(await received(ends))).toBe(true);
});

test('an empty one is an empty file', async () => {
  const { ends, input, spooled } = await spool();
  input.end();
  const { sent } = await transfer(ends, [], { send: { files: named(spooled) } });
  expect(sent).toMatchObject({ ok: true, filesDelivered: 1, bytesSent: 0 });
  expect(await received(ends)).toHaveLength(0);
});

test('after a cut it continues, although more came meanwhile', async () => {
  const { ends, input, spooled } = await spool();
  const content = randomBytes(20 * MiB + 5);
  input.write(content.subarray(0, 12 * MiB));
  const { dialler, accepter } = await connected();
  const on = (event: SendEvent): void => {
    if (event.type === 'progress' && event.fileBytes >= 12 * MiB) dialler.socket.destroy();
  };
  const [cut] = await Promise.all([
    sendFiles(dialler, sendOptions(ends, [], { files: named(spooled), on })),
    receiveFiles(accepter, receiveOptions(ends)),
  ]);
  expect(cut.error?.code).toBe('connection-closed');
  input.end(content.subarray(12 * MiB));

  const { sent } = await transfer(ends, [], { send: { files: named(spooled) } });

  expect(sent.ok).toBe(true);
  expect(sent.bytesSent).toBeLessThanOrEqual(8 * MiB + 9 * MiB);
  expect(content.equals(await received(ends))).toBe(true);
  expect((await readdir(ends.inbox)).filter((name) => name.startsWith(PART_PREFIX))).toEqual([]);
});

test('what grows beyond the largest file that is taken ends there', async () => {
  const { ends, input, spooled } = await spool();
  input.write(randomBytes(MiB));
  const on = (event: SendEvent): void => {
    if (event.type === 'progress') input.write(randomBytes(MiB));
  };
  const { sent } = await transfer(ends, [], {
    send: { files: named(spooled), on },
    receive: { policy: { maxFileBytes: 3 * MiB } },
  });
  expect(sent.files).toEqual([expect.objectContaining({ status: 'failed', code: 'too-large' })]);
  expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
});

test('a source that fails before its end fails the file', async () => {
  const { ends, input, spooled } = await spool();
  const closed = new Promise((resolve) => input.once('close', resolve));
  input.write('begun');
  input.destroy(new Error('the other program is gone'));
  await closed;
  const { sent } = await transfer(ends, [], { send: { files: named(spooled) } });
  expect(sent.ok).toBe(false);
  expect(sent.error?.message ?? sent.files[0]?.message).toMatch(/standard input cannot be kept/);
  expect(await readdir(join(ends.inbox, 'alice'))).toEqual([]);
});
