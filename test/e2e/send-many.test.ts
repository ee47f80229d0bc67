import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256, TestNetwork } from '../support/test-network.ts';

const BYTES = 8 * 1024 * 1024;
const RECIPIENTS = ['bob', 'carol', 'dave'];

let network: TestNetwork;
beforeAll(async () => {
  network = await TestNetwork.open({ running: ['alice', ...RECIPIENTS] });
  for (const name of RECIPIENTS) await network.seesAs('alice', name, 'online');
});
afterAll(() => network.close());

/** Bytes that a process has read so far, from files and connections. */
async function bytesRead(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/io`, 'utf8');
  return Number(/rchar: (\d+)/.exec(text)?.[1]);
}

test('one job to three recipients reads its source once, and keeps to one limit', async () => {
  const file = await network.file('film', BYTES);
  const { pid = 0 } = network.daemon('alice').child;
  const before = await bytesRead(pid);

  const lines = await network.ask('alice', 'send', file, '--to', RECIPIENTS.join(), '--limit', '12MB/s');

  expect(lines.at(-1)).toMatchObject({ type: 'done', ok: true, filesSent: 3, bytesSent: 3 * BYTES });
  expect((await bytesRead(pid)) - before).toBeLessThan(2 * BYTES);
  for (const name of RECIPIENTS)
    expect(await sha256(network.inbox(name, 'alice', 'film'))).toBe(await sha256(file));
});

test.each(['0', 'fast', '-1'])('a limit of %s is refused by its flag', async (limit) => {
  const file = await network.file('small', 10);
  const { code, stderr } = await network.client('alice', ['send', file, '--to', 'bob', `--limit=${limit}`]);

  expect(code).toBe(2);
  expect(stderr).toMatch(/--limit/);
});
