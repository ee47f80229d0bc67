import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askHere, runHere } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { PostgresCluster } from '../support/postgres-cluster.ts';
import { DaemonProcess, type Line } from '../support/programs.ts';

/** Of Debian's package libfaketime. */
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';

const MACHINES = ['anna', 'bob', 'cleo'];
const HALF_HOUR_MS = 1_800_000;

test.skipIf(needs.postgres() || !existsSync(FAKETIME)).each(['+1h', '-1h'])(
  'a server whose clock is off by %s runs the timers and dies: nothing is dated by it, and no machine or report is said to be missing',
  async (offset) => {
    const folder = await mkdtemp(join(tmpdir(), 'filer-clock-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await using cluster = await PostgresCluster.start();
    const store = await cluster.freshDatabase();
    const home = (name: string): string => join(folder, name);
    const start = async (program: 'ip-server' | 'filer-client', name: string, ...more: string[]) => {
      const env =
        name === 'wrong' ? { LD_PRELOAD: FAKETIME, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' } : {};
      const daemon = await DaemonProcess.start(program, more, home(name), { env });
      onTestFinished(async () => void (await daemon.stop('SIGKILL')));
      return daemon;
    };
    const where = ['--host', '127.0.0.1', '--port', '0', '--store', store];
    const server = (name: string) =>
      start('ip-server', name, ...where, '--report-interval', '2s', '--broadcast-interval', '500ms');
    const [wrong, right] = [await server('wrong'), await server('right')];
    const ask = async (name: string, ...args: string[]): Promise<Line> =>
      (await askHere('ip-server', home(name), args)).at(-1) ?? {};
    await ask('wrong', 'servers', 'add', right.id);
    for (const name of MACHINES) {
      const { stdout } = await runHere('ip-server', home('wrong'), ['invite']);
      await runHere('filer-client', home(name), ['join', '-', '--name', name], stdout.trim());
      await start('filer-client', name, '--listen', '127.0.0.1:0');
      const tick = ['report', 'schedule', 'add', 'tick', '--every', '5s', '--set', 'a=1'];
      await runHere('filer-client', home(name), tick);
    }
    const states = new Set<string>();
    const look = async (name: string, count: number): Promise<void> => {
      await expect
        .poll(async () => {
          for (const { state, reports, lastSeen } of (await ask(name, 'peers'))['peers'] as Line[]) {
            states.add(`${String(state)} ${String(reports)}`);
            expect(Math.abs(Date.parse(String(lastSeen)) - Date.now())).toBeLessThan(HALF_HOUR_MS);
          }
          return ((await ask(name, 'reports'))['reports'] as Line[]).length;
        })
        .toBeGreaterThan(count);
    };
    await look('wrong', 6);
    await wrong.stop('SIGKILL');
    const held = async (): Promise<unknown[]> =>
      ((await ask('right', 'servers'))['servers'] as Line[])
        .filter(({ timers }) => timers)
        .map(({ id }) => id);
    await expect.poll(held).toEqual([right.id]);
    await look('right', 20);
    const { reports } = await ask('right', 'reports');
    const keys = (reports as Line[]).map(({ peer, spool, seq }) => JSON.stringify([peer, spool, seq]));
    expect(new Set(keys).size).toBe(keys.length);
    for (const { receivedAt } of reports as Line[])
      expect(Math.abs(Date.parse(String(receivedAt)) - Date.now())).toBeLessThan(HALF_HOUR_MS);
    expect([...states].filter((each) => each.endsWith('missing'))).toEqual([]);
    expect((await ask('right', 'alarms'))['alarms']).toEqual([]);
  },
);
