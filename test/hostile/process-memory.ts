import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Trend } from './trend.ts';

const KIB = 1024;
const MIB = KIB * KIB;

/** Memory of one process over time, in MiB: what is resident, and what it holds (see `live-memory.ts`). */
export class ProcessMemory {
  readonly live = new Trend();
  readonly resident = new Trend();

  /** @param folder where the process writes what it holds */
  async sample(pid: number | undefined, folder: string): Promise<void> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    const kib = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    if (kib > 0) this.resident.add(performance.now(), kib / KIB);
    const live = Number(await readFile(join(folder, String(pid)), 'utf8').catch(() => '0'));
    if (live > 0) this.live.add(performance.now(), live / MIB);
  }

  /** Begins again: the process is another one. */
  restart(): void {
    this.live.clear();
    this.resident.clear();
  }
}
