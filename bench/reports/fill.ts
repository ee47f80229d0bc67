import { createHash } from 'node:crypto';
import { encodeReportBody, type Heartbeat, type ReportBody } from '@filer/protocol';
import { ReportIntake } from '../../apps/ip-server/src/reports/intake.ts';
import type { NewReport } from '../../apps/ip-server/src/store/report-store.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';

export const PEERS = 500;
export const DAY_MS = 86_400_000;

/** So many reports wait for the store at once: as many machines as send at the same time. */
const IN_FLIGHT = 4_000;

const SCHEDULES = ['health', 'disk', 'backup'];

/** The id of a machine, as long as real ones. */
export function peerId(index: number): string {
  return createHash('sha256').update(`peer ${index}`).digest('hex').toUpperCase().slice(0, 52);
}

/** One of the reports: 500 machines in turn, three schedules, one in fifty made by hand. */
export function reportNumber(index: number, receivedAt: number): NewReport {
  const machine = index % PEERS;
  const turn = Math.floor(index / PEERS);
  const byHand = index % 50 === 49;
  const schedule = byHand ? '' : (SCHEDULES[turn % SCHEDULES.length] ?? '');
  const body: ReportBody = {
    title: byHand ? `render ${index % 1_000} done` : schedule === 'health' ? '' : `${schedule} of a machine`,
    values: [
      ['free', String((index * 7_919) % 1_000_000_007)],
      ['load', String((index % 400) / 100)],
      ['state', index % 97 === 0 ? 'degraded' : 'ok'],
      ['note', 'nothing to say that was not said before'],
    ],
    schedule,
  };
  return {
    peer: peerId(machine),
    report: {
      ...body,
      spool: createHash('md5').update(`spool ${machine}`).digest('hex'),
      seq: turn,
      kind: byHand ? 'user' : 'schedule',
      time: receivedAt - 250,
    },
    content: encodeReportBody(body),
    receivedAt,
  };
}

/** So many a second, and a second of processor time: on a machine that has other work the second says more. */
export interface Rate {
  readonly wall: number;
  readonly processor: number;
}

async function rateOf(count: number, work: () => void | Promise<void>): Promise<Rate> {
  const start = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: count / ((performance.now() - start) / 1e3), processor: count / ((user + system) / 1e6) };
}

/** Stores reports as they would have come in, evenly over that time. */
export async function fillReports(store: Store, count: number, from: number, until: number): Promise<Rate> {
  const intake = new ReportIntake({
    store: store.reports,
    append: (reports) => store.reports.append(reports),
    onProblem: (problem) => {
      if (problem !== undefined) throw problem;
    },
  });
  return rateOf(count, async () => {
    for (let index = 0; index < count; index += IN_FLIGHT) {
      const adding: Promise<void>[] = [];
      for (let at = index; at < Math.min(count, index + IN_FLIGHT); at++) {
        adding.push(intake.add(reportNumber(at, Math.floor(from + ((until - from) * at) / count))));
      }
      await Promise.all(adding);
    }
  });
}

/** Stores samples of all machines, one a minute, up to that time. */
export function fillSamples(store: Store, count: number, until: number): Promise<Rate> {
  const minutes = Math.ceil(count / PEERS);
  return rateOf(minutes * PEERS, async () => {
    for (let minute = 0; minute < minutes; minute++) {
      const at = until - (minutes - minute) * 60_000;
      const samples = Array.from(
        { length: PEERS },
        (_, peer) => [peerId(peer), { at, heartbeat: heartbeat(minute) }] as const,
      );
      await store.samples.save(new Map(samples));
    }
  });
}

function heartbeat(minute: number): Heartbeat {
  return {
    uptimeMs: minute * 60_000,
    loadHundredths: minute % 400,
    memoryTotalBytes: 17_179_869_184,
    memoryFreeBytes: 4_000_000_000 + minute * 4_096,
    inboxFreeBytes: 300_000_000_000 - minute * 4_096,
    transfers: minute % 4,
    spooled: 0,
  };
}
