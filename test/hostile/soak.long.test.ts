import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { listOf, sha256, TestNetwork } from '../support/test-network.ts';
import { floodArguments, memberOf } from './victim.ts';

const MINUTES = Number(process.env['FILER_SOAK_MINUTES'] ?? 30);
const CLIENTS = Number(process.env['FILER_SOAK_CLIENTS'] ?? 50);
const MAX_GROWTH_MIB = 5;
const FAULT_PERCENT = 1;
const AT_ONCE = 5;
const SAMPLE_MS = 5_000;
const PAUSE_MS = 200;
const OF_SERVER = ['joiners', 'headers', 'silent', 'drips', 'halves', 'handshakes', 'keys', 'connections'];
const OF_MEMBER = ['parts', 'directory', 'heartbeats', 'unknown', 'removals', 'reports'];
const OF_CLIENT = ['texts', 'lists', 'holding', 'parts'];

/** Resident memory of a process over time, in MiB. */
class Memory {
  readonly #samples: number[] = [];

  async sample(pid: number | undefined): Promise<void> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const kib = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    if (kib > 0) this.#samples.push(kib / 1024);
  }

  /** Begins again: the process is another one. */
  restart(): void {
    this.#samples.length = 0;
  }

  get peak(): number {
    return Math.max(...this.#samples);
  }

  /** From the third quarter to the fourth; undefined where there is too little to say so. */
  get growth(): number | undefined {
    const { length } = this.#samples;
    if (length < 12) return undefined;
    const half = this.#samples.slice(length / 2);
    return middle(half.slice(half.length / 2)) - middle(half.slice(0, half.length / 2));
  }
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

test(
  `${CLIENTS} clients, faults and an attacker of each kind, for ${MINUTES} minutes: memory stays, nothing acknowledged is lost`,
  async () => {
    await using network = await TestNetwork.open();
    const names = Array.from({ length: CLIENTS }, (_, n) => `m${n}`);
    await network.join('evil');
    for (let n = 0; n < names.length; n += AT_ONCE)
      await Promise.all(names.slice(n, n + AT_ONCE).map((name) => network.add(name)));
    const { network: id } = (await memberOf(network.home('evil'))).membership;
    const [victim = 'm0'] = names;
    const until = performance.now() + MINUTES * 60_000;
    const isOver = (): boolean => performance.now() >= until;
    const memory = new Map(['server', ...names].map((name) => [name, new Memory()]));
    const ms = MINUTES * 60_000;
    const attack = (who: string, kind: string): ChildProcess => {
      const daemon = network.daemon(who);
      const target = {
        host: '127.0.0.1',
        port: daemon.port,
        id: daemon.id,
        network: id,
        home: network.home('evil'),
        count: 2,
        ms,
      };
      return spawn(process.execPath, floodArguments(kind, target), { stdio: 'ignore' });
    };
    const attackers = [
      ...[...OF_SERVER, ...OF_MEMBER].map((kind) => attack('server', kind)),
      ...OF_CLIENT.map((kind) => attack(victim, kind)),
    ];

    const ends = attackers.map((attacker) => once(attacker, 'close'));

    let [reported, sent, faults, refused] = [0, 0, 0, 0];
    const delivered = new Map<string, string>();
    const work = async (): Promise<void> => {
      while (!isOver()) {
        const name = names[randomInt(names.length)] ?? victim;
        const other = names[randomInt(names.length)] ?? victim;
        if (randomInt(100) < FAULT_PERCENT && name !== victim) {
          faults++;
          await network.daemon(name).stop('SIGKILL');
          memory.get(name)?.restart();
          await network.startAlone(name);
        }
        const title = `report-${reported + 1}`;
        await network.askHere(name, 'report', '--title', title, 'n=1');
        reported++;
        if (name !== other && reported % 10 === 0) {
          const path = await network.file(`file-${reported}`, randomInt(1, 500_000));
          const digest = await sha256(path);
          // A receiver that was killed meanwhile is away: what failed is not acknowledged.
          const failed = await network.askHere(name, 'send', path, '--to', other).catch(() => 'failed');
          if (failed === 'failed') refused++;
          else {
            delivered.set(network.inbox(other, name, `file-${reported}`), digest);
            sent++;
          }
          await rm(path);
        }
        await wait(PAUSE_MS);
      }
    };
    const watch = async (): Promise<void> => {
      while (!isOver()) {
        for (const [name, its] of memory) await its.sample(network.daemon(name).child.pid);
        await wait(SAMPLE_MS);
      }
    };
    await Promise.all([work(), watch()]);
    for (const attacker of attackers) if (attacker.exitCode === null) attacker.kill('SIGKILL');
    await Promise.all(ends);

    for (const name of names) await network.drained(name);
    const reports = listOf(await network.askServer('reports'), 'reports');
    const titles = new Set(reports.map(({ title }) => title));
    const lost: string[] = [];
    for (let n = 1; n <= reported; n++) if (!titles.has(`report-${n}`)) lost.push(`report-${n}`);
    for (const [path, digest] of delivered) {
      if ((await sha256(path).catch(() => 'missing')) !== digest) lost.push(path);
    }
    const growth = names.flatMap((name) => memory.get(name)?.growth ?? []);
    const figures = {
      reported,
      sent,
      refused,
      faults,
      serverPeakMiB: Math.round(memory.get('server')?.peak ?? 0),
      serverGrowthMiB: memory.get('server')?.growth,
      attackedClientPeakMiB: Math.round(memory.get(victim)?.peak ?? 0),
      attackedClientGrowthMiB: memory.get(victim)?.growth,
      clientGrowthMiB: middle(growth),
    };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    expect(lost).toEqual([]);
    expect(figures.serverGrowthMiB ?? 0).toBeLessThan(MAX_GROWTH_MIB);
    expect(figures.attackedClientGrowthMiB ?? 0).toBeLessThan(MAX_GROWTH_MIB);
    expect(figures.clientGrowthMiB).toBeLessThan(MAX_GROWTH_MIB);
  },
  (MINUTES + 30) * 60_000,
);
