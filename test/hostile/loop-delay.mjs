// Loaded into a victim (`NODE_OPTIONS=--import …`): writes the longest standstill of its event loop, in ms, to a file.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const file = process.env.FILER_TEST_LOOP_DELAY;
if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: 5 });
  histogram.enable();
  setInterval(() => writeFileSync(file, String(histogram.max / 1e6)), 250).unref();
}
