import { existsSync } from 'node:fs';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { createLogger, openHome, readConfiguration, resolveHome, type Home } from '@filer/program';
import { loadOrCreateIdentity } from '@filer/protocol';
import { afterEach, expect, test, vi } from 'vitest';
import { openDaemon } from '../../apps/filer-client/src/daemon/compose.ts';
import { Member } from '../../apps/filer-client/src/network/member.ts';
import { clientSettings } from '../../apps/filer-client/src/settings.ts';
import { writeMembershipFile } from '../../apps/filer-client/src/store/membership-file.ts';
import { PaperNetwork } from '../ip-server/members.ts';
import { freshFolder } from '../support/ip-server.ts';

const DAY_MS = 86_400_000;
const NOW = Date.now();

afterEach(() => void vi.useRealTimers());

/** The home of a machine that has joined; its server is never there. */
async function joinedHome(): Promise<Home> {
  const home = resolveHome('filer-client', { FILER_HOME: await freshFolder() });
  await openHome(home);
  const { identity } = await loadOrCreateIdentity(home.identityFolder);
  const paper = new PaperNetwork();
  const server = { id: paper.server.id, addresses: [], record: undefined };
  await writeMembershipFile(home.membershipFile, { membership: paper.membership('alice', identity), server });
  return home;
}

/** What the daemon of a home logs from its start to its end, while the clock says so. */
async function startedAt(home: Home, time: number): Promise<string> {
  vi.setSystemTime(time);
  const stream = new PassThrough();
  const chunks: string[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()));
  const flags = { listen: { host: '127.0.0.1', port: 0 } };
  const settings = await readConfiguration(clientSettings, { home, env: {}, flags });
  const log = await createLogger({ stream, format: 'json' });
  const daemon = await openDaemon({ home, settings, software: '0.0.0', environment: {}, log });
  await daemon.close();
  return chunks.join('');
}

/** One job that ended, one transfer that came, half a file and standard input that waits. @returns what is left of them */
async function keepSome(home: Home, time: number): Promise<() => Promise<unknown>> {
  const part = join(home.inbox, 'bob', `.filer-part-kept-${'a'.repeat(40)}`);
  const spooled = join(home.outgoing, 'input');
  for (const file of [part, spooled]) {
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, 'x');
    await utimes(file, time / 1000, time / 1000);
  }
  vi.setSystemTime(time);
  using member = await Member.open(home);
  const { jobs, arrivals, network } = member;
  const job = { id: 'job', createdAt: time, network, queue: false, request: '{}', owner: 'daemon' };
  jobs.create(job, [{ id: 'B', name: 'bob' }]);
  jobs.end('job', 'B', { state: 'delivered', code: undefined, status: '' }, member.clock.stamp());
  arrivals.folderOf({ id: 'B', name: 'bob' }, { job: 'in', note: '', beganAt: time }, () => 'bob/then');
  return async () => {
    using again = await Member.open(home);
    const arrival = { job: 'in', note: '', beganAt: time };
    return {
      jobs: again.jobs.job('job') !== undefined,
      folder: again.arrivals.folderOf({ id: 'B', name: 'bob' }, arrival, () => 'bob/now'),
      part: existsSync(part),
      input: existsSync(spooled),
    };
  };
}

const ALL = { jobs: true, folder: 'bob/then', part: true, input: true };

test('one start with a clock two years ahead forgets no job, no transfer and no half file, and says that it waits', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const home = await joinedHome();
  const left = await keepSome(home, NOW);
  await startedAt(home, NOW);
  const wrong = await startedAt(home, NOW + 730 * DAY_MS);
  const right = await startedAt(home, NOW);

  expect(await left()).toEqual(ALL);
  expect(wrong).toContain('"ahead":"1y 36');
  expect(right).not.toContain('"ahead"');
});

test('what the clock and the running time agree upon is old', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const home = await joinedHome();
  const left = await keepSome(home, NOW - 400 * DAY_MS);
  await startedAt(home, NOW);

  expect(await left()).toEqual({ jobs: false, folder: 'bob/now', part: false, input: false });
});

test('a job that ended while the clock was in 1970 is kept when the clock is right again', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const home = await joinedHome();
  await startedAt(home, NOW);
  vi.setSystemTime(60_000);
  const left = await keepSome(home, 60_000);
  await startedAt(home, 120_000);
  await startedAt(home, NOW);

  expect(await left()).toMatchObject({ jobs: true });
});
