import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { askHere, runHere, until } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { PostgresCluster } from '../support/postgres-cluster.ts';
import { DaemonProcess, type Line } from '../support/programs.ts';

const SERVERS = ['s0', 's1', 's2'] as const;
const MACHINES = ['anna', 'bob', 'cleo'] as const;
const ROUNDS = 40;
const PAUSED_ROUNDS = 3;
/** A machine is back at another server within this. */
const BACK_MS = 30_000;
/** A server that stands still for so long has lost its lease. */
const STOPPED_MS = 60_000;

describe.skipIf(needs.postgres())('of three servers', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start(['fsync=on'])));
  afterAll(() => cluster[Symbol.asyncDispose]());

  test.each([
    ['is killed', 'SIGKILL', ROUNDS],
    ['stands still', 'SIGSTOP', PAUSED_ROUNDS],
  ] as const)(
    'one %s again and again, and each report is there once',
    async (_, signal, rounds) => {
      const folder = await mkdtemp(join(tmpdir(), 'filer-servers-long-'));
      const home = (name: string): string => join(folder, name);
      const store = await cluster.freshDatabase();
      const running = new Map<string, DaemonProcess>();
      onTestFinished(async () => {
        await Promise.all([...running.values()].map((each) => each.stop('SIGKILL')));
        await rm(folder, { recursive: true, force: true });
      });
      const ports = new Map<string, number>();
      const start = async (name: string): Promise<void> => {
        const port = String(ports.get(name) ?? 0);
        const where = ['--host', '127.0.0.1', '--port', port, '--broadcast-interval', '200ms'];
        const server = await DaemonProcess.start('ip-server', [...where, '--store', store], home(name));
        ports.set(name, server.port);
        running.set(name, server);
      };
      const ask = async (
        program: 'ip-server' | 'filer-client',
        name: string,
        ...args: string[]
      ): Promise<Line> => (await askHere(program, home(name), args)).at(-1) ?? {};
      for (const name of SERVERS) await start(name);
      const isConnected = async (name: string): Promise<boolean> =>
        ((await ask('filer-client', name, 'status'))['server'] as Line)['connected'] === true;
      const add = async (name: string): Promise<void> => {
        const { stdout } = await runHere('ip-server', home('s0'), ['invite']);
        await runHere('filer-client', home(name), ['join', '-', '--name', name], stdout.trim());
        running.set(name, await DaemonProcess.start('filer-client', ['--listen', '127.0.0.1:0'], home(name)));
        await until(
          () => isConnected(name),
          (connected) => connected,
        );
      };
      const [first, ...others] = MACHINES;
      // Its session is older than the list of servers.
      await add(first);
      for (const name of SERVERS.slice(1))
        await ask('ip-server', 's0', 'servers', 'add', running.get(name)?.id ?? '');
      for (const name of others) await add(name);

      const serverOf = async (name: string, from: string): Promise<string | undefined> => {
        const peers = (await ask('ip-server', from, 'peers'))['peers'] as Line[];
        const id = peers.find((peer) => peer['name'] === name)?.['server'];
        return SERVERS.find((each) => running.get(each)?.id === id);
      };
      // Something is expected of each machine: one that is said to be missing falsely is seen.
      for (const name of MACHINES)
        await ask(
          'filer-client',
          name,
          'report',
          'schedule',
          'add',
          'tick',
          '--every',
          '10s',
          '--set',
          'a=1',
        );
      const backMs: number[] = [];
      const states = new Set<unknown>();
      let reports = 0;
      for (let round = 0; round < rounds; round++) {
        const victim = (await serverOf('anna', SERVERS[round % SERVERS.length] ?? 's0')) ?? 's0';
        const [witness = 's0'] = SERVERS.filter((each) => each !== victim);
        const server = running.get(victim);
        const beganAt = performance.now();
        server?.child.kill(signal);
        for (const name of MACHINES) {
          await ask('filer-client', name, 'report', '--title', `${name} ${round}`);
          reports++;
        }
        await until(
          async () => await serverOf('anna', witness),
          (at) => at !== undefined && at !== victim,
        );
        backMs.push(performance.now() - beganAt);
        for (const name of MACHINES)
          await until(
            async () => (await ask('filer-client', name, 'status'))['spool'],
            (spool) => spool === 0,
          );
        const peers = (await ask('ip-server', witness, 'peers'))['peers'] as Line[];
        for (const { reports: state } of peers) states.add(state);
        expect(peers.map(({ name }) => String(name)).toSorted()).toEqual(MACHINES);
        if (signal === 'SIGKILL') {
          await server?.ended;
          await start(victim);
        } else {
          await wait(Math.max(0, STOPPED_MS - (performance.now() - beganAt)));
          server?.child.kill('SIGCONT');
        }
      }
      const listed = (await runHere('ip-server', home('s1'), ['reports', '--json'])).stdout;
      const titles = [...listed.matchAll(/"title":\s*"(\w+ \d+)"/g)].map(([, title]) => title ?? '');
      process.stdout.write(
        `${signal}: ${rounds} rounds, ${reports} reports, back after at most ${Math.max(...backMs).toFixed(0)} ms\n`,
      );
      expect(titles).toHaveLength(reports);
      expect(new Set(titles).size).toBe(reports);
      expect(Math.max(...backMs)).toBeLessThan(BACK_MS);
      expect(states).toContain('ok');
      expect(states).not.toContain('missing');
    },
    1_800_000,
  );
});
