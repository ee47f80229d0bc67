// Loaded into a program (`NODE_OPTIONS=--import …`): collects garbage again and again, and writes what is left to a file of its
// process, in bytes. What is resident besides is of the allocators and of the system, and rises and falls with the load of the machine.
import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const folder = process.env['FILER_TEST_LIVE_MEMORY'];
const everyMs = Number(process.env['FILER_TEST_LIVE_MEMORY_MS']);
if (folder !== undefined) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const file = `${folder}/${process.pid}`;
  setInterval(() => {
    collect();
    // Buffers are given back after the collection that found them.
    setImmediate(() => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      // Whole whenever it is read.
      writeFileSync(`${file}.new`, String(heapUsed + external));
      renameSync(`${file}.new`, file);
    });
  }, everyMs).unref();
}
