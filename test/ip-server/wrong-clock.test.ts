import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { createLogger, openHome, readConfiguration, resolveHome, type Home } from '@filer/program';
import { encodeReportBody } from '@filer/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { openServer } from '../../apps/ip-server/src/daemon/compose.ts';
import { SETTINGS } from '../../apps/ip-server/src/settings.ts';
import { chooseStore, storeIn } from '../support/engine.ts';
import { freshFolder } from '../support/ip-server.ts';
import { reportsFound } from '../support/reports-found.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const NOW = Date.now();
const BODY = { title: '', values: [], schedule: '' };

afterEach(() => void vi.useRealTimers());

/** A server runs for some minutes, with this time at its start. @returns what it logged */
async function servedAt(home: Home, time: number, minutes: number): Promise<string> {
  vi.setSystemTime(time);
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const flags = { host: '127.0.0.1', port: 0, httpPort: 'off' as const };
  const settings = await readConfiguration(SETTINGS, { home, env: {}, flags });
  const log = await createLogger({ stream, format: 'json' });
  const options = { home, settings, environment: {}, log, version: '0.0.0', methodsOf: () => new Map() };
  const daemon = await openServer(options);
  for (let minute = 0; minute < minutes; minute++) await vi.advanceTimersByTimeAsync(MINUTE_MS);
  await daemon.close();
  return chunks.join('');
}

test('a server that runs for minutes with a clock forty days ahead drops no report, and says that it waits', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
  const home = resolveHome('ip-server', { IP_SERVER_HOME: await freshFolder() });
  await openHome(home);
  await chooseStore(dirname(home.configFile));
  await servedAt(home, NOW, 1);
  const store = await storeIn(dirname(home.databaseFile));
  const report = { ...BODY, spool: 'a'.repeat(32), seq: 1, kind: 'user', time: NOW } as const;
  await store.reports.append([{ peer: 'PEER', report, content: encodeReportBody(BODY), receivedAt: NOW }]);
  await store.close();
  const wrong = await servedAt(home, NOW + 40 * DAY_MS, 3);
  const right = await servedAt(home, NOW, 2);

  const after = await storeIn(dirname(home.databaseFile));
  expect(await reportsFound(after.reports.query({}))).toHaveLength(1);
  await after.close();
  expect(wrong).toContain('"ahead":"3');
  expect(right).not.toContain('"ahead"');
});

test('a report is dropped once the clock and the running time agree that it is old', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
  const home = resolveHome('ip-server', { IP_SERVER_HOME: await freshFolder() });
  await openHome(home);
  await chooseStore(dirname(home.configFile));
  const store = await storeIn(dirname(home.databaseFile));
  const report = { ...BODY, spool: 'a'.repeat(32), seq: 1, kind: 'user', time: 0 } as const;
  const receivedAt = NOW - 31 * DAY_MS;
  await store.reports.append([{ peer: 'PEER', report, content: encodeReportBody(BODY), receivedAt }]);
  await store.close();
  await servedAt(home, NOW, 1);

  const after = await storeIn(dirname(home.databaseFile));
  expect(await reportsFound(after.reports.query({}))).toHaveLength(0);
  await after.close();
});
