import { stat } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { jsonLines, type Line } from '../support/programs.ts';
import { filesBelow, TestNetwork } from '../support/test-network.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

const MB = 1_000_000;

let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'carol'] });
  await network.join('bob');
});
afterAll(() => network.close());

/** Starts bob with a policy of his own; what he had is there still. */
async function bobWith(...policy: string[]): Promise<void> {
  await network.start('bob', ...policy);
  await network.seesAs('anna', 'bob', 'online');
}

async function send(
  from: string,
  ...args: string[]
): Promise<{ code: number | null; done: Line; stderr: string }> {
  const outcome = await network.client(from, ['send', ...args, '--to', 'bob', '--json']);
  return { code: outcome.code, done: jsonLines(outcome).at(-1) ?? {}, stderr: outcome.stderr };
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = (await filesBelow(folder)).map(async (name) => (await stat(`${folder}/${name}`)).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

test('two senders at once fill an inbox to its quota and no further, and a file that is too large is refused alone', async () => {
  await bobWith('--inbox-quota', '6MB', '--max-file-size', '2MB', '--max-files', '10');
  const files = await Promise.all([1, 2, 3, 4, 5].map((n) => network.file(`file-${n}`, MB)));
  const large = await network.file('large', 2 * MB + 1);

  const mixed = await send('anna', files[0] ?? '', large);
  expect(mixed).toMatchObject({ code: 8, done: { filesSent: 1, filesFailed: 1, bytesSent: MB } });
  expect(mixed.stderr).toContain('2000001 bytes are more than the 2000000');
  expect((await send('anna', large)).code).toBe(11);

  const [first, second] = await Promise.all([
    send('anna', ...files.slice(1)),
    send('carol', ...files.slice(0, 4)),
  ]);
  expect(await bytesIn(network.inbox('bob'))).toBeLessThanOrEqual(6 * MB);
  expect([first.code, second.code].filter((code) => code === 0).length).toBeLessThanOrEqual(1);
  expect((await send('carol', ...files.slice(0, 4), await network.file('more', 2 * MB))).code).not.toBe(0);
  expect(await bytesIn(network.inbox('bob'))).toBeLessThanOrEqual(6 * MB);
  const alone = await send('carol', await network.file('last', 2 * MB));
  expect(alone).toMatchObject({ code: 11, done: { bytesSent: 0 } });
  expect(alone.stderr).toContain('quota');
  await network.daemon('bob').stop();
});
