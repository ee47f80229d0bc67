import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Swaps folders for links and back as fast as it can, on a thread of its own. */
const SWAPPING = `
const { workerData, parentPort } = require('node:worker_threads');
const { renameSync, symlinkSync, unlinkSync, mkdirSync } = require('node:fs');
const { folders, outside } = workerData;
const stop = new Int32Array(workerData.stop);
const attempt = (action) => { try { action(); return true; } catch { return false; } };
let swaps = 0;
while (Atomics.load(stop, 0) === 0) {
  for (const folder of folders) {
    const aside = folder + '.aside';
    if (!attempt(() => renameSync(folder, aside))) continue;
    if (attempt(() => symlinkSync(outside, folder))) swaps++;
    Atomics.wait(stop, 0, 0, Math.random());
    attempt(() => unlinkSync(folder));
    // Another folder may have been made meanwhile: then the old one stays aside under a name of its own.
    if (!attempt(() => renameSync(aside, folder))) attempt(() => renameSync(aside, aside + '.' + swaps));
    Atomics.wait(stop, 0, 0, Math.random());
  }
}
parentPort.postMessage(swaps);
`;

/** Someone on the receiver's machine who swaps folders of an inbox for links to another place. */
export class RacingLinks {
  readonly #worker: Worker;
  readonly #stop = new SharedArrayBuffer(4);

  /** @param paths below `inbox` */
  constructor(inbox: string, paths: readonly string[], outside: string) {
    const folders = paths.map((path) => join(inbox, path));
    this.#worker = new Worker(SWAPPING, {
      eval: true,
      workerData: { folders, outside, stop: this.#stop },
    });
  }

  /** @returns how often a link stood in the place of a folder */
  async stop(): Promise<number> {
    const swaps = once(this.#worker, 'message') as Promise<[number]>;
    Atomics.store(new Int32Array(this.#stop), 0, 1);
    const [count] = await swaps;
    await this.#worker.terminate();
    return count;
  }
}
