import { monitorEventLoopDelay } from 'node:perf_hooks';

/** What one thread did between two looks at it: other programs of the machine can make it wait, but give it no work. */
const LOOK_MS = 1;

/** The longest that a thread worked at a stretch, and that it stood still by the clock, in ms. */
export interface Turns {
  readonly workedMs: number;
  readonly stoodMs: number;
}

/** Watches this thread during some work. */
export async function watchTurns(work: () => Promise<void>): Promise<Turns> {
  const delay = monitorEventLoopDelay({ resolution: LOOK_MS });
  let workedMs = 0;
  let last = workOfThread();
  const look = setInterval(() => {
    const now = workOfThread();
    workedMs = Math.max(workedMs, now - last);
    last = now;
  }, LOOK_MS);
  delay.enable();
  await work();
  delay.disable();
  clearInterval(look);
  return { workedMs, stoodMs: delay.max / 1e6 };
}

function workOfThread(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
