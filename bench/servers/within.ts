/*
 * Loaded into the process that is measured (`node --import`): answers what it took since the last question. The longest turn of the
 * event loop is told by the clock and by the processor time of its thread, since a machine that has other work makes the first one long.
 */

export interface Taken {
  readonly cpuMs: number;
  readonly rss: number;
  /** Of the JavaScript heap after a collection, and of what is beside it. */
  readonly heap: number;
  readonly external: number;
  readonly turnMs: number;
  readonly turnCpuMs: number;
}

const EVERY_MS = 2;

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

let [at, cpu, turnMs, turnCpuMs] = [performance.now(), cpuMs(), 0, 0];
let usedMs = 0;
setInterval(() => {
  const [now, used] = [performance.now(), cpuMs()];
  turnMs = Math.max(turnMs, now - at - EVERY_MS);
  turnCpuMs = Math.max(turnCpuMs, used - cpu);
  [at, cpu] = [now, used];
}, EVERY_MS).unref();

process.on('message', (question) => {
  // A full collection stops everything: it is asked for alone, and is in no figure.
  const { user, system } = process.cpuUsage();
  const usedNow = (user + system) / 1_000;
  const longest = { turnMs, turnCpuMs };
  const { rss } = process.memoryUsage();
  if (question === 'collected') globalThis.gc?.();
  const { heapUsed: heap, external } = process.memoryUsage();
  process.send?.({ cpuMs: usedNow - usedMs, rss, heap, external, ...longest } satisfies Taken);
  const { user: u, system: s } = process.cpuUsage();
  usedMs = (u + s) / 1_000;
  [at, cpu, turnMs, turnCpuMs] = [performance.now(), cpuMs(), 0, 0];
});
process.channel?.unref();
