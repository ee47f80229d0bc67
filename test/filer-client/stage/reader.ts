import type { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** What a reader has found under a name, reading all of it again and again: how often each version was whole. */
export interface Readings {
  /** By the first version that fits, its number; -1 for a mixture, and -2 where there was nothing. */
  readonly counts: Readonly<Record<number, number>>;
}

/**
 * Reads a folder in a thread of its own, as a program does that opens it and then its files: always all of them.
 *
 * @param versions contents by path
 */
export class Reader implements AsyncDisposable {
  readonly #worker: Worker;
  #counts: Record<number, number> = {};
  #heard = Promise.withResolvers<void>();

  constructor(folder: string, versions: readonly Readonly<Record<string, string>>[]) {
    const code = `(${loop.toString()})(require('node:fs'), require('node:worker_threads'))`;
    this.#worker = new Worker(code, { eval: true, workerData: { folder, versions } });
    this.#worker.on('message', (found: number) => {
      this.#counts[found] = (this.#counts[found] ?? 0) + 1;
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
  }

  /** Resolves when it has found a version once more. */
  async finds(version: number): Promise<void> {
    const before = this.#counts[version] ?? 0;
    while ((this.#counts[version] ?? 0) === before) await this.#heard.promise;
  }

  get readings(): Readings {
    return { counts: this.#counts };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

/** Runs in the thread: it has nothing of this file. */
function loop(
  fs: {
    openSync: typeof openSync;
    closeSync: typeof closeSync;
    readFileSync: typeof readFileSync;
    constants: typeof constants;
  },
  threads: { workerData: unknown; parentPort: { postMessage: (found: number) => void } | null },
): void {
  const { folder, versions } = threads.workerData as {
    folder: string;
    versions: readonly Record<string, string>[];
  };
  const paths = [...new Set(versions.flatMap((version) => Object.keys(version)))];
  const read = (): number => {
    let descriptor: number;
    try {
      descriptor = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    } catch {
      return -2;
    }
    try {
      const found = paths.map((path) => {
        try {
          return fs.readFileSync(`/proc/self/fd/${descriptor}/${path}`, 'utf8');
        } catch {
          return undefined;
        }
      });
      return versions.findIndex((version) => paths.every((path, n) => version[path] === found[n]));
    } finally {
      fs.closeSync(descriptor);
    }
  };
  const again = (): void => {
    threads.parentPort?.postMessage(read());
    setImmediate(again);
  };
  again();
}
