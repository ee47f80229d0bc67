import type { RememberedBlocks } from '@filer/transfer';

/** Blocks of all jobs together that are remembered: of 64 GiB in blocks of 1 MiB, in about 20 MB of memory. */
const MAX_BLOCKS = 65_536;

/** Where the blocks are that came in earlier jobs, as long as the process runs: the oldest jobs are forgotten first. */
export class RememberedJobs {
  readonly #jobs = new Map<string, RememberedBlocks>();
  #blocks = 0;

  of(sender: string, job: string): RememberedBlocks | undefined {
    return this.#jobs.get(keyOf(sender, job));
  }

  /** What came in one more connection of a job. */
  add(sender: string, job: string, blocks: RememberedBlocks): void {
    if (blocks.size === 0) return;
    const key = keyOf(sender, job);
    const before = this.#jobs.get(key);
    const all = new Map([...(before ?? []), ...blocks]);
    this.#jobs.delete(key);
    this.#jobs.set(key, all);
    this.#blocks += all.size - (before?.size ?? 0);
    for (const [oldest, { size }] of this.#jobs) {
      if (this.#blocks <= MAX_BLOCKS) return;
      this.#jobs.delete(oldest);
      this.#blocks -= size;
    }
  }
}

function keyOf(sender: string, job: string): string {
  return `${sender} ${job}`;
}
