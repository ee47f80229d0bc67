/**
 * How long one file takes to many, by the very plan that directs a job (`RelayPlan`), without a network:
 *
 *     node bench/passing-on/simulate.ts [MACHINES…]
 *
 * Assumptions, all of which but the last are kinder than a real network:
 * - Time goes in steps of 10 ms, and content flows like water: an uplink is shared evenly by those who take from it at that
 *   moment (what one does not take the others do), a recipient takes at most its downlink, and there are no round trips, losses or handshakes.
 * - A recipient can be given what its holder has in whole blocks of 1 MiB, and at most 8 MiB ahead of what it has.
 * - Recipients accept in a random order, up to 256 at once, as a job serves them; each of the others as soon as one is done.
 * - A machine that dies is not heard of from then on, and its connection breaks 45 s later. One that is slow is slow from the
 *   beginning, both ways.
 * - Speeds: the sender and most machines 50 Mbit/s up and down; where it says mixed, 60 % of them, 25 % 200 Mbit/s, 10 % 20 Mbit/s
 *   and 5 % 5 Mbit/s. Those who die: 2 %, at random moments of the first 40 s.
 * - Those that are done give nothing to those that come later; in the program some of them do.
 *
 * Printed, as the worst of three runs, is the time until all that are not slow and do not die have 256 MiB, in times of 1→1, when the last one of all has it, and
 * what the sender sent, in files.
 */
import { RelayPlan } from '@filer/transfer';

const MIB = 1024 * 1024;
const FILE = 256 * MIB;
const STEP_MS = 10;
const AT_ONCE = 256;
const RUNS = 3;
const MBIT = 1_000_000 / 8;
const AHEAD = 8 * MIB;
const BROKEN_AFTER_MS = 45_000;

interface Machine {
  readonly id: string;
  readonly rate: number;
  readonly diesAt: number;
  bytes: number;
  fromSender: number;
}

interface Result {
  readonly fastMs: number;
  readonly lastMs: number;
  readonly sent: number;
}

let seed = 7;
function random(): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed / 2_147_483_647;
}

function rateOf(isMixed: boolean): number {
  if (!isMixed) return 50 * MBIT;
  const dice = random();
  if (dice < 0.6) return 50 * MBIT;
  if (dice < 0.85) return 200 * MBIT;
  return dice < 0.95 ? 20 * MBIT : 5 * MBIT;
}

/** What each gets at most of an uplink: who takes less leaves the rest to the others. */
function shareOf(uplink: number, takers: readonly number[]): number {
  let [left, share] = [uplink, 0];
  takers
    .toSorted((a, b) => a - b)
    .forEach((rate, n, all) => {
      share = left / (all.length - n);
      left -= Math.min(rate, share);
    });
  return share;
}

/** The worst of several runs, each with machines of its own. */
function worst(...how: Parameters<typeof run>): Result {
  const runs = Array.from({ length: RUNS }, (_, n) => {
    seed = 7 + 1_000 * n;
    return run(...how);
  });
  const most = (key: keyof Result): number => Math.max(...runs.map((each) => each[key]));
  return { fastMs: most('fastMs'), lastMs: most('lastMs'), sent: most('sent') };
}

function run(count: number, isMixed: boolean, failing: number, isKnown: boolean): Result {
  const machines: Machine[] = Array.from({ length: count }, (_, n) => ({
    id: `m${n}`,
    rate: rateOf(isMixed),
    diesAt: random() < failing ? random() * 40_000 : Infinity,
    bytes: 0,
    fromSender: 0,
  }));
  const plan = new RelayPlan(isKnown ? machines.map(({ rate }) => rate) : []);
  const byId = new Map(machines.map((machine) => [machine.id, machine]));
  plan.found(FILE);
  const waiting = [...machines];
  const open = new Set<Machine>();
  let [fastMs, lastMs, sent] = [0, 0, 0];
  for (let now = 0; (open.size > 0 || waiting.length > 0) && now < 7_200_000; now += STEP_MS) {
    for (const machine of waiting.splice(0, AT_ONCE - open.size)) {
      plan.join({ id: machine.id, passes: true, rate: isKnown ? machine.rate : undefined }, now);
      plan.expect(machine.id, now);
      open.add(machine);
    }
    const takers = new Map<string | undefined, number[]>();
    const wants = [...open].map((machine) => {
      const holder = plan.holderOf(machine.id);
      const from = holder === undefined ? undefined : byId.get(holder);
      const has = from === undefined ? FILE : Math.min(FILE, Math.floor(from.bytes / MIB) * MIB || 0);
      const there = from !== undefined && from.bytes >= FILE ? FILE : has;
      const isAlive = machine.diesAt > now && (from === undefined || from.diesAt > now);
      const bytes = isAlive ? Math.min(AHEAD, there - machine.bytes) : 0;
      if (bytes > 0) takers.set(holder, [...(takers.get(holder) ?? []), machine.rate]);
      return { machine, holder, from, bytes };
    });
    for (const { machine, holder, from, bytes } of wants) {
      if (bytes <= 0) continue;
      const share = shareOf(from?.rate ?? 50 * MBIT, takers.get(holder) ?? []);
      const moved = Math.min(bytes, (Math.min(share, machine.rate) * STEP_MS) / 1_000);
      machine.bytes += moved;
      if (from === undefined) sent += moved;
      plan.progressed(machine.id, Math.floor(machine.bytes / MIB) * MIB, now);
      plan.moved(machine.id, now);
    }
    for (const machine of [...open]) {
      if (machine.diesAt + BROKEN_AFTER_MS <= now) {
        plan.leave(machine.id, now);
        open.delete(machine);
      } else if (machine.bytes >= FILE) {
        plan.done(machine.id);
        open.delete(machine);
        lastMs = now;
        if (machine.rate >= 50 * MBIT) fastMs = now;
      }
    }
    if (now % 1_000 !== 0) continue;
    for (const { machine, from, bytes } of wants) {
      if (machine.diesAt > now) plan.heard(machine.id, now);
      const isAll = bytes > 0 && from !== undefined && from.bytes >= FILE;
      plan.awaits(machine.id, from === undefined ? 0 : Math.max(0, bytes), isAll);
    }
    plan.tick(now);
  }
  return { fastMs, lastMs, sent: sent / FILE };
}

const counts = process.argv.slice(2).map(Number);
const one = FILE / (50 * MBIT);
console.log(`1→1: ${one.toFixed(1)} s`);
for (const count of counts.length > 0 ? counts : [2, 16, 100, 500, 2_000])
  for (const [words, isMixed, failing, isKnown] of [
    ['alike', false, 0, false],
    ['alike, 2 % die', false, 0.02, false],
    ['mixed, 2 % die', true, 0.02, false],
    ['mixed, 2 % die, after a first job', true, 0.02, true],
  ] as const) {
    const { fastMs, lastMs, sent } = worst(count, isMixed, failing, isKnown);
    const times = (ms: number): string => (ms / 1_000 / one).toFixed(2);
    console.log(
      `1→${count}  ${words}: ${times(fastMs)}, the last ${times(lastMs)}; ${sent.toFixed(1)} files sent`,
    );
  }
