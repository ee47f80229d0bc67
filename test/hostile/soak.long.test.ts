import { randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { listOf, sha256 } from '../support/test-network.ts';
import { ProcessMemory } from './process-memory.ts';
import { Attackers, EvilServer } from './soak-attackers.ts';
import { FAULTS, SoakNetwork, type Fault } from './soak-network.ts';

const MINUTES = Number(process.env['FILER_SOAK_MINUTES'] ?? 30);
const CLIENTS = Number(process.env['FILER_SOAK_CLIENTS'] ?? 50);
const MAX_GROWTH_MIB = 5;
const MAX_RESIDENT_MIB = 400;
const FAULT_PERCENT = 1;
const WORKERS = 4;
const SAMPLE_MS = 5_000;
/** A collection of garbage takes some 50 ms of a processor, and there are many programs. */
const COLLECTIONS = 40;
const PAUSE_MS = 200;

/** From then on the server and the attacked client are not killed: how much they grow can be seen of one process only. */
const KILLED_UNTIL = 1 / 3;

const liveMemory = fileURLToPath(new URL('live-memory.ts', import.meta.url));

/** What was done, and what was acknowledged. */
const done = {
  reports: 0,
  files: 0,
  texts: 0,
  refused: 0,
  faults: Object.fromEntries(FAULTS.map((f) => [f, 0])),
};
const reported = new Set<string>();
const delivered = new Map<string, string>();
const heard = new Map<string, string[]>();

test(
  `${CLIENTS} clients, faults and an attacker of each kind, for ${MINUTES} minutes: memory stays, nothing acknowledged is lost`,
  async () => {
    const names = Array.from({ length: CLIENTS }, (_, n) => `m${n}`);
    const [victim = 'm0'] = names;
    const ms = MINUTES * 60_000;
    const folder = await mkdtemp(join(tmpdir(), 'filer-soak-'));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const daemonEnv = {
      NODE_OPTIONS: `--import ${liveMemory}`,
      FILER_TEST_LIVE_MEMORY: folder,
      FILER_TEST_LIVE_MEMORY_MS: String(Math.round(ms / COLLECTIONS)),
    };
    const soak = stack.use(await SoakNetwork.open(names, daemonEnv));
    const evil = stack.use(await EvilServer.open('misled', daemonEnv));
    const { network } = soak;
    const attackers = await Attackers.open(network, victim, ms);
    const begin = performance.now();
    const passed = (): number => (performance.now() - begin) / ms;
    const memory = new Map(['server', ...names, 'misled'].map((name) => [name, new ProcessMemory()]));

    const disturb = async (own: readonly string[]): Promise<void> => {
      const name = randomInt(5) === 0 ? 'server' : anyOf(own);
      const isWatched = name === 'server' || name === victim;
      // Another worker may be at the server.
      const isSpared = (isWatched && passed() > KILLED_UNTIL) || (name === 'server' && !own.includes(victim));
      const faults = FAULTS.filter((fault) => fault !== 'kill' || !isSpared);
      const fault: Fault = faults[randomInt(faults.length)] ?? 'cut';
      if (fault === 'kill') memory.get(name)?.restart();
      await soak.fault(fault, name);
      done.faults[fault] = (done.faults[fault] ?? 0) + 1;
    };
    let sent = 0;
    /** A machine is killed by its own worker only: what it is asked here is answered. */
    const work = async (own: readonly string[]): Promise<void> => {
      while (passed() < 1) {
        const [name, other] = [anyOf(own), anyOf([...names, 'taker'])];
        if (randomInt(100) < FAULT_PERCENT) await disturb(own);
        const what = randomInt(10);
        if (what > 1) {
          // A daemon that gets none of a busy machine does not answer: nothing is acknowledged then.
          const title = `report-${++sent}`;
          const isKept = await network.askHere(name, 'report', '--title', title, 'n=1').then(
            () => true,
            () => false,
          );
          if (isKept) reported.add(title);
          else done.refused++;
          done.reports = reported.size;
        } else if (name !== other) {
          // A receiver that was killed or cut off is away: what failed is not acknowledged.
          const isThere = await (what === 0 ? sendFile(name, other) : sendText(name, other)).catch(
            () => false,
          );
          if (!isThere) done.refused++;
          else if (other === 'taker') throw new Error('the evil receiver signs for nothing');
        }
        await wait(PAUSE_MS);
      }
    };
    const sendFile = async (from: string, to: string): Promise<boolean> => {
      const name = `file-${++sent}`;
      const path = await network.file(name, randomInt(1, 500_000));
      const digest = await sha256(path);
      try {
        await network.askHere(from, 'send', path, '--to', to, '--timeout', '20s');
      } finally {
        await rm(path);
      }
      delivered.set(network.inbox(to, from, name), digest);
      done.files++;
      return true;
    };
    const sendText = async (from: string, to: string): Promise<boolean> => {
      if (to === 'taker') return false;
      const text = `text-${++sent}`;
      await network.askHere(from, 'message', to, text, '--timeout', '20s');
      heard.set(to, [...(heard.get(to) ?? []), text]);
      done.texts++;
      return true;
    };
    const watch = async (): Promise<void> => {
      for (let minute = 0; passed() < 1;) {
        if ((performance.now() - begin) / 60_000 > minute + 1) {
          minute++;
          const now = [...memory].map(([name, its]) => `${name} ${its.live.latest}/${its.resident.latest}`);
          process.stdout.write(
            `${minute} min: ${JSON.stringify(done)}; MiB live/resident: ${now.join(', ')}\n`,
          );
        }
        for (const [name, its] of memory) {
          const where = name === 'misled' ? evil.network : network;
          await its.sample(where.daemon(name).child.pid, folder);
        }
        await wait(SAMPLE_MS);
      }
    };
    const workers = Array.from({ length: WORKERS }, (_, w) =>
      work(names.filter((_, n) => n % WORKERS === w)),
    );
    try {
      await Promise.all([...workers, watch()]);
    } finally {
      await attackers[Symbol.asyncDispose]();
    }

    const growth = (of: 'live' | 'resident', name: string): number | undefined =>
      memory.get(name)?.[of].rise(begin + ms / 2, begin + ms);
    const ofAll = (of: 'live' | 'resident'): number[] =>
      names.flatMap((name) => growth(of, name) ?? []).toSorted((a, b) => a - b);
    const [live, resident] = [ofAll('live'), ofAll('resident')];
    const middle = (sorted: readonly number[]): number | undefined => sorted[Math.floor(sorted.length / 2)];
    const of = (name: string): object => ({
      liveGrowth: growth('live', name),
      residentGrowth: growth('resident', name),
      livePeak: memory.get(name)?.live.peak,
      residentPeak: memory.get(name)?.resident.peak,
    });
    const figures = {
      ...done,
      server: of('server'),
      attackedClient: of(victim),
      misledClient: of('misled'),
      clients: {
        seen: live.length,
        liveGrowth: middle(live),
        mostLiveGrowth: live.at(-1),
        residentGrowth: middle(resident),
        mostResidentGrowth: resident.at(-1),
        residentPeak: Math.max(...names.map((name) => memory.get(name)?.resident.peak ?? 0)),
      },
    };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    expect(await lost(soak, names)).toEqual([]);
    for (const [name, { resident }] of memory) {
      const mib = growth('live', name) ?? 0;
      expect({ name, grew: mib >= MAX_GROWTH_MIB, mib }).toMatchObject({ grew: false });
      expect({ name, peakMiB: resident.peak < MAX_RESIDENT_MIB }).toEqual({ name, peakMiB: true });
    }
  },
  (MINUTES + 30) * 60_000,
);

/** @returns what was acknowledged and is nowhere */
async function lost({ network }: SoakNetwork, names: readonly string[]): Promise<string[]> {
  for (const name of names) await network.drained(name);
  const reports = listOf(await network.askServer('reports'), 'reports');
  const titles = new Set(reports.map(({ title }) => title));
  const missing: string[] = [];
  for (const title of reported) if (!titles.has(title)) missing.push(title);
  for (const [path, digest] of delivered) {
    if ((await sha256(path).catch(() => 'missing')) !== digest) missing.push(path);
  }
  for (const [name, texts] of heard) {
    const [document] = await network.askHere(name, 'messages');
    const there = new Set(listOf(document, 'messages').map(({ text }) => text));
    for (const text of texts) if (!there.has(text)) missing.push(`${text} to ${name}`);
  }
  return missing;
}

function anyOf(names: readonly string[]): string {
  return names[randomInt(names.length)] ?? '';
}
