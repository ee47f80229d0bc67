/*
 * A process that takes reports in as the server does, and says how late its timers were: node bench/reports/serving.ts
 * FILE, told what to do over its IPC channel.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ReportIntake } from '../../apps/ip-server/src/reports/intake.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { reportNumber } from './fill.ts';
import { newestAt } from './queries.ts';

/** What it is told, and answers when it is done. */
export type Task = 'begin' | 'end' | 'roll-up' | 'prune' | 'give-back';

/** How late timers were since `begin`, in ms, and how many reports were stored meanwhile. */
export interface Answer {
  readonly maxMs: number;
  readonly p99Ms: number;
  readonly stored: number;
}

const EVERY_MS = 20;
const REPORTS_EACH = 20;

/** As the server's housekeeping does it. */
const AT_ONCE = 500;
const PRUNED_AT_ONCE = 200;

/** So long at most, with what is left for a bench of this size. */
const TASK_MS = 20_000;
const DROPPED = 100_000;

const store = await openStore(process.argv[2] ?? '', { busyTimeoutMs: 100 });
const intake = new ReportIntake({
  store: store.reports,
  append: (reports) => store.reports.append(reports),
  onProblem: (problem) => {
    if (problem !== undefined) console.error(problem.message);
  },
});
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let next = Number((await store.reports.newest()) ?? '0') + 1_000_000_000;
let stored = 0;
setInterval(() => {
  for (let count = 0; count < REPORTS_EACH; count++) {
    void intake.add(reportNumber(next++, Date.now())).then(() => stored++);
  }
}, EVERY_MS);

async function perform(task: Task): Promise<void> {
  const end = performance.now() + TASK_MS;
  if (task === 'begin') {
    delay.reset();
    stored = 0;
  } else if (task === 'roll-up') {
    const now = await newestAt(store);
    while ((await store.samples.rollUp(now, AT_ONCE)) && performance.now() < end) await nextTurn();
  } else if (task === 'prune') {
    for (let dropped = 0; dropped < DROPPED && performance.now() < end; await nextTurn())
      dropped += await store.reports.prune({ before: 0, maxBytes: 0 }, PRUNED_AT_ONCE);
  } else {
    while ((await store.room?.giveBack()) === true && performance.now() < end) await nextTurn();
  }
}

process.on('message', (task: Task) => {
  void perform(task).then(() => {
    const answer: Answer = { maxMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6, stored };
    process.send?.(answer);
  });
});
process.on('disconnect', () => process.exit());
