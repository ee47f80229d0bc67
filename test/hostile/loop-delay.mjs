// Loaded into a victim (`NODE_OPTIONS=--import …`): writes the longest standstill of its event loop to a file, in ms of the clock and
// of its thread's processor time (a machine that has other work too makes the first one long). Without the file it begins again.
import { existsSync, renameSync, writeFileSync } from 'node:fs';

const file = process.env.FILER_TEST_LOOP_DELAY;
const EVERY_MS = 5;
if (file !== undefined) {
  const cpuMs = () => {
    const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
    return (user + system) / 1000;
  };
  let [at, cpu, loopMs, busyMs, saved] = [performance.now(), cpuMs(), 0, 0, 0];
  setInterval(() => {
    const [now, used] = [performance.now(), cpuMs()];
    loopMs = Math.max(loopMs, now - at - EVERY_MS);
    busyMs = Math.max(busyMs, used - cpu);
    [at, cpu] = [now, used];
    if (now - saved < 250) return;
    saved = now;
    if (!existsSync(file)) loopMs = busyMs = 0;
    // Whole whenever it is read.
    writeFileSync(`${file}.new`, JSON.stringify({ loopMs: Math.round(loopMs), busyMs: Math.round(busyMs) }));
    renameSync(`${file}.new`, file);
    [at, cpu] = [performance.now(), cpuMs()];
  }, EVERY_MS).unref();
}
