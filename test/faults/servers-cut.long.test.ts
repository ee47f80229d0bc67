import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { NatNetwork, type HostName } from '../support/nat-network.ts';
import { needs } from '../support/needs.ts';
import { PostgresCluster } from '../support/postgres-cluster.ts';
import { DaemonProcess, jsonLines, runProgram, type Line, type ProgramName } from '../support/programs.ts';
import { nft } from '../support/router-rules.ts';

/** Nothing comes through to the database and back, and no end is told. */
const CUT = `
table inet cut {
  chain out { type filter hook output priority 0; tcp dport 5432 drop; }
  chain in { type filter hook input priority 0; tcp sport 5432 drop; }
}`;
const HOSTS = { first: 'c', second: 'd', anna: 'server' } as const satisfies Record<string, HostName>;
type Name = keyof typeof HOSTS;
const SERVERS = ['first', 'second'] as const;

test.skipIf(needs.postgres() || needs.namespaces() || needs('nft'))(
  'the network drops what goes between servers and database: of one, whose machines go to the other one, then of both, and each report is stored once',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'filer-cut-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await chmod(folder, 0o755);
    const rights = join(folder, 'hba.conf');
    await writeFile(rights, 'local all all trust\nhost all all 203.0.113.0/24 trust\n');
    await using network = await NatNetwork.open('keeps', 'keeps');
    await using cluster = await PostgresCluster.start([
      'fsync=off',
      'listen_addresses=*',
      `hba_file=${rights}`,
    ]);
    await cluster.moveTo(network.on('server').wrapper);
    const [, database = ''] = /\/(\w+)\?/.exec(await cluster.freshDatabase()) ?? [];
    const store = `postgres://filer@${NatNetwork.server}/${database}?sslmode=disable`;
    const home = (name: Name): string => join(folder, name);
    const running = new Map<Name, DaemonProcess>();
    onTestFinished(async () => {
      for (const each of running.values()) await each.stop('SIGKILL');
    });
    const start = async (name: Name, program: ProgramName, ...flags: string[]): Promise<void> =>
      void running.set(name, await DaemonProcess.start(program, flags, home(name), network.on(HOSTS[name])));
    const ask = async (program: ProgramName, name: Name, args: string[], input = ''): Promise<Line> => {
      const outcome = await runProgram(program, args, home(name), { ...network.on(HOSTS[name]), input });
      return jsonLines(outcome).at(-1) ?? {};
    };
    for (const name of SERVERS) {
      const own = name === 'first' ? '203.0.113.13' : '203.0.113.14';
      const flags = ['--port', '10901', '--http-port', 'off', '--broadcast-interval', '200ms'];
      await start(name, 'ip-server', ...flags, '--store', store, '--advertise', `${own}:10901`);
    }
    const idOf = (name: Name): string => running.get(name)?.id ?? '';
    await ask('ip-server', 'first', ['servers', 'add', idOf('second'), '--json']);
    const { link } = await ask('ip-server', 'first', ['invite', '--json']);
    await ask('filer-client', 'anna', ['join', '-', '--name', 'anna', '--json'], String(link));
    await start('anna', 'filer-client');
    const seen = async (from: Name): Promise<Line> => {
      const { peers } = await ask('ip-server', from, ['peers', '--json']);
      return (peers as Line[])[0] ?? {};
    };
    const spool = async (): Promise<unknown> =>
      (await ask('filer-client', 'anna', ['status', '--json']))['spool'];
    const report = (title: string) => ask('filer-client', 'anna', ['report', '--title', title, '--json']);
    const cut = (name: Name, rules: string) => nft(network.on(HOSTS[name]).wrapper.at(-1) ?? '', rules);
    await expect.poll(async () => (await seen('first'))['state']).toBe('online');

    const holder = (await seen('first'))['server'] === idOf('first') ? 'first' : 'second';
    const other = holder === 'first' ? 'second' : 'first';
    await cut(holder, CUT);
    await report('one');
    await expect.poll(async () => (await seen(other))['server']).toBe(idOf(other));
    await expect.poll(spool).toBe(0);

    await cut(other, CUT);
    await report('both');
    for (const name of SERVERS)
      await expect
        .poll(async () => (await ask('ip-server', name, ['status', '--json']))['storeProblem'])
        .toEqual(expect.any(String));
    expect(await spool()).toBe(1);
    for (const name of SERVERS) expect(['online', 'unknown']).toContain((await seen(name))['state']);

    for (const name of SERVERS) await cut(name, 'flush ruleset');
    await expect.poll(spool).toBe(0);
    for (const name of SERVERS) {
      await expect.poll(async () => (await seen(name))['state']).toBe('online');
      const { stdout } = await runProgram(
        'ip-server',
        ['reports', '--json'],
        home(name),
        network.on(HOSTS[name]),
      );
      for (const title of ['one', 'both']) expect(stdout.split(`"${title}"`)).toHaveLength(2);
    }
  },
);
