import { readFile } from 'node:fs/promises';

/** Resident memory of one process over time, in MiB. */
export class ResidentMemory {
  readonly #samples: { readonly atMs: number; readonly mib: number }[] = [];

  async sample(pid: number | undefined): Promise<void> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const kib = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    if (kib > 0) this.#samples.push({ atMs: performance.now(), mib: kib / 1024 });
  }

  /** Begins again: the process is another one. */
  restart(): void {
    this.#samples.length = 0;
  }

  get latestMiB(): number {
    return Math.round(this.#samples.at(-1)?.mib ?? 0);
  }

  get peakMiB(): number {
    return Math.round(Math.max(0, ...this.#samples.map(({ mib }) => mib)));
  }

  /** The line that fits best to what was sampled between two times: by how much it rises; undefined where it was not seen all the time. */
  growthMiB(fromMs: number, untilMs: number): number | undefined {
    const first = this.#samples[0];
    const within = this.#samples.filter(({ atMs }) => atMs >= fromMs && atMs <= untilMs);
    if (first === undefined || first.atMs > fromMs || within.length < 3) return undefined;
    const [x, y] = [mean(within.map(({ atMs }) => atMs)), mean(within.map(({ mib }) => mib))];
    const rise = within.reduce((sum, { atMs, mib }) => sum + (atMs - x) * (mib - y), 0);
    const run = within.reduce((sum, { atMs }) => sum + (atMs - x) ** 2, 0);
    return Math.round((rise / run) * (untilMs - fromMs) * 10) / 10;
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
