import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  formatStored,
  reportMessage,
  parseSchedules,
  spoolMessage,
  type Message,
  type Reply,
} from '@filer/protocol';
import { ListeningServer, type Answer } from '../support/listening-server.ts';
import { TestNetwork } from '../support/test-network.ts';

let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open();
  await network.join('anna');
  await network.client('anna', [
    ...['report', 'schedule', 'add', 'disk', '--every', '1h', '--jitter', '0s', '--timeout', '10s'],
    ...['--expect', 'always', '--', 'echo', 'full'],
  ]);
  await network.server.stop();
});
afterAll(() => network.close());

const OK = { header: { type: 'ok' }, content: Buffer.alloc(0) };

/** Stores reports, of which it has none yet, and takes all else that it is told. */
function anyServer(message: Message): Reply {
  const { type } = message.header;
  if (type === 'spool') return formatStored({ spool: spoolMessage.parse(message).spool, seq: 0 });
  return type === 'report' ? formatStored(reportMessage.parse(message)) : OK;
}

/** A stand-in for the server, and anna's daemon connected to it. */
async function connected(answer: Answer): Promise<ListeningServer> {
  const server = await ListeningServer.open(network.serverHome, network.server.port, answer);
  await network.start('anna');
  return server;
}

test('a server is told what to expect: at hello, when it changes, and with each report', async () => {
  await using server = await connected(anyServer);
  const [hello] = server.hellos;
  expect(hello?.schedules).toMatchObject([{ name: 'disk', graceMs: 360_000 + 10_000, always: true }]);
  const { nextInMs = 0, thirdInMs = 0 } = hello?.schedules[0] ?? {};
  expect(thirdInMs - nextInMs).toBe(2 * 3_600_000);
  expect(nextInMs).toBeLessThanOrEqual(3_600_000);

  await network.client('anna', ['report', 'schedule', 'run', 'disk']);
  const report = await server.told('report');
  expect(reportMessage.parse(report)).toMatchObject({ kind: 'schedule', schedule: 'disk', output: 'full\n' });
  const due = reportMessage.parse(report).due;
  expect(due?.nextInMs).toBeLessThan(nextInMs);
  expect((due?.thirdInMs ?? 0) - (due?.nextInMs ?? 0)).toBe(2 * 3_600_000);

  await network.client('anna', ['report', 'schedule', 'add', 'load', '--every', '1d', '--set', 'a=1']);
  const added = await server.told('schedules');
  expect(parseSchedules(added).map(({ name }) => name)).toEqual(['disk', 'load']);

  await network.client('anna', ['report', 'schedule', 'remove', 'load', '--yes']);
  await server.told('schedules', (message) => parseSchedules(message).length === 1);

  await appendFile(
    join(network.home('anna'), 'schedules.toml'),
    '\n[[schedule]]\nname = "hand"\nevery = "2h"\nset = { a = "1" }\n',
  );
  await network.client('anna', ['report', 'schedule', 'list']); // does not wait for the next look
  await server.told('schedules', (message) => parseSchedules(message).at(-1)?.name === 'hand');
  await network.daemon('anna').stop();
});

test('a server that knows nothing of schedules gets the reports all the same', async () => {
  await using server = await connected((message) =>
    message.header['type'] === 'schedules' ? undefined : anyServer(message),
  );
  await network.client('anna', ['report', 'schedule', 'add', 'old', '--every', '1d', '--set', 'a=1']);
  await server.told('schedules');
  expect(await network.client('anna', ['report', 'schedule', 'run', 'old'])).toMatchObject({ code: 0 });
  expect(server.hellos.length).toBe(1);
  expect(network.daemon('anna').stderr).not.toContain('error');
  await network.daemon('anna').stop();
});
