import { FilerError } from '@filer/protocol';
import { formatBytes, type DiskRoom } from '@filer/program';
import type { ReportStore } from './report-store.ts';
import type { Store } from './interfaces.ts';

/**
 * Parts of keep-free below which the database takes less. Files stop at the whole, so they do not take the room of reports. At
 * three quarters the machines with most stop, at half of it everything; what is written ahead stays above a quarter.
 */
const GREEDY_STOP = 3 / 4;
const ALL_STOP = 1 / 2;
const LEAST = 1 / 4;

/** A row is written to the log and then to the file. */
const WRITTEN_TIMES = 2;

export interface StoreRoomParts {
  readonly store: Pick<Store, 'room'> & {
    readonly reports: Pick<ReportStore, 'isAboveShare'>;
  };
  /** The disk of the database; none of it is kept free by itself. */
  readonly disk: Pick<DiskRoom, 'bytes' | 'use'>;
  readonly keepFreeBytes: number;
  /** A machine with little found no room: those with most are to give some. */
  readonly onWanted: () => void;
  /** Told when something is refused, and (undefined) when there is room again. */
  readonly onProblem: (problem: FilerError | undefined) => void;
}

/** What the database may still take of its disk because of what machines send. */
export class StoreRoom {
  readonly #parts: StoreRoomParts;

  constructor(parts: StoreRoomParts) {
    this.#parts = parts;
  }

  /**
   * Why something of a machine cannot be stored now; undefined when it can.
   *
   * @param peer id of the machine; undefined for what all machines have the same of
   */
  async refusal(bytes: number, peer?: string): Promise<FilerError | undefined> {
    const { store, disk, keepFreeBytes, onWanted, onProblem } = this.#parts;
    if (store.room === undefined) return undefined;
    const free = disk.bytes;
    const isScarce = free < keepFreeBytes;
    await store.room.setShortLog(isScarce);
    const grows = Math.max(0, bytes - (isScarce ? await store.room.freeBytes() : 0)) * WRITTEN_TIMES;
    if (free - grows < keepFreeBytes * GREEDY_STOP) {
      const isGreedy = peer === undefined || (await store.reports.isAboveShare(peer, bytes));
      const kept = keepFreeBytes * (grows > 0 ? ALL_STOP : LEAST);
      if (isGreedy || free - grows < kept) {
        const why = full(free, keepFreeBytes);
        onProblem(why);
        if (!isGreedy) onWanted();
        return why;
      }
    } else onProblem(undefined);
    disk.use(grows);
    return undefined;
  }
}

function full(free: number, keepFreeBytes: number): FilerError {
  const [has, kept] = [Math.max(0, free), keepFreeBytes].map(formatBytes);
  return new FilerError(
    'no-space',
    `the server does not store this now: its disk has ${has} free, and keep-free is ${kept}: make room on that disk; the machines keep their reports meanwhile`,
  );
}
