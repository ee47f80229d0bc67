import { randomInt } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { listOf, sha256 } from '../support/test-network.ts';
import { ResidentMemory } from './resident-memory.ts';
import { Attackers, EvilServer } from './soak-attackers.ts';
import { FAULTS, SoakNetwork, type Fault } from './soak-network.ts';

const MINUTES = Number(process.env['FILER_SOAK_MINUTES'] ?? 30);
const CLIENTS = Number(process.env['FILER_SOAK_CLIENTS'] ?? 50);
const MAX_GROWTH_MIB = 5;
const FAULT_PERCENT = 1;
const WORKERS = 4;
const SAMPLE_MS = 5_000;
const PAUSE_MS = 200;

/** From then on the server and the attacked client are not killed: how much they grow can be seen of one process only. */
const KILLED_UNTIL = 1 / 3;

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
    await using soak = await SoakNetwork.open(names);
    await using evil = await EvilServer.open('misled');
    const { network } = soak;
    const ms = MINUTES * 60_000;
    const attackers = await Attackers.open(network, victim, ms);
    const begin = performance.now();
    const passed = (): number => (performance.now() - begin) / ms;
    const memory = new Map(['server', ...names, 'misled'].map((name) => [name, new ResidentMemory()]));

    const disturb = async (own: readonly string[]): Promise<void> => {
      const name = randomInt(5) === 0 ? 'server' : anyOf(own);
      const fault: Fault = FAULTS[randomInt(FAULTS.length)] ?? 'cut';
      const isWatched = name === 'server' || name === victim;
      if (fault === 'kill' && isWatched && passed() > KILLED_UNTIL) return;
      // Another worker may be at it.
      if (fault === 'kill' && name === 'server' && !own.includes(victim)) return;
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
          const now = [...memory].map(([name, its]) => `${name} ${its.latestMiB}`);
          process.stdout.write(`${minute} min: ${JSON.stringify(done)}; MiB: ${now.join(', ')}\n`);
        }
        for (const [name, its] of memory) {
          const where = name === 'misled' ? evil.network : network;
          await its.sample(where.daemon(name).child.pid);
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

    const growth = [...memory].flatMap(([name, its]) => {
      const mib = its.growthMiB(begin + ms / 2, begin + ms);
      return mib === undefined ? [] : [[name, mib] as const];
    });
    const ofClients = growth.filter(([name]) => name.startsWith('m')).map(([, mib]) => mib);
    const figures = {
      ...done,
      serverPeakMiB: memory.get('server')?.peakMiB,
      serverGrowthMiB: new Map(growth).get('server'),
      attackedClientPeakMiB: memory.get(victim)?.peakMiB,
      attackedClientGrowthMiB: new Map(growth).get(victim),
      misledClientPeakMiB: memory.get('misled')?.peakMiB,
      clients: ofClients.length,
      clientGrowthMiB: ofClients.toSorted((a, b) => a - b)[Math.floor(ofClients.length / 2)],
      mostClientGrowthMiB: Math.max(...ofClients),
    };
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    expect(await lost(soak, names)).toEqual([]);
    for (const [name, mib] of growth)
      expect({ name, grew: mib >= MAX_GROWTH_MIB, mib }).toMatchObject({ grew: false });
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
