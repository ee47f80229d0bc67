import { Semaphore } from '@filer/protocol';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Store } from '../store/interfaces.ts';
import type { StoreHealth } from './store-health.ts';

/** Rows dropped in one transaction: at most about 20 ms of work, in which the loop stands still. */
const PRUNE_AT_ONCE = 200;

/** Reports are dropped at once, and not with the next minute, when they take more than their space by this part of it. */
const SLACK = 0.02;

/**
 * Of what is left, by the contents that this server stores before it looks again: a report takes up to some times its content, and other
 * servers store reports, too. What they fill together meanwhile goes with the next minute.
 */
const USED_UNSEEN = 0.05;

/** Made free for machines with few reports when the disk has no room: by this part of all reports at a time. */
const MADE_FREE = 0.02;

export interface RetentionParts {
  readonly store: Pick<Store, 'reports' | 'room'>;
  readonly health: StoreHealth;
  readonly retentionMs: number;
  readonly maxReportBytes: number;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly now: () => number;
}

/** Drops reports that are too old or too many. */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #steps = new Semaphore(1);
  #isMakingRoom = false;
  /** What was stored since it was last looked how much there is, and how much may be until the next look, in bytes. */
  #storedBytes = 0;
  #untilLookBytes = 0;
  #closed = false;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** Drops what is too old or too many, and gives the room back. */
  prune(): Promise<void> {
    const { store, maxReportBytes } = this.#parts;
    return this.#steps.take(async () => {
      if (await this.#drop(maxReportBytes))
        await this.#inSteps(async () => (await store.room?.giveBack()) ?? false);
    });
  }

  /** Reports were stored: those that are too many go soon. @param contentBytes of them */
  stored(contentBytes: number): void {
    const { store, maxReportBytes } = this.#parts;
    this.#storedBytes += contentBytes;
    // Each look adds up what all machines have.
    if (this.#storedBytes < this.#untilLookBytes) return;
    this.#makeRoom(async () => {
      this.#storedBytes = 0;
      const left = maxReportBytes * (1 + SLACK) - (await store.reports.bytes());
      this.#untilLookBytes = left * USED_UNSEEN;
      return left < 0 ? maxReportBytes : undefined;
    });
  }

  /** The disk has no room for the reports of machines with few: those with most give some. */
  makeRoom(): void {
    const { reports } = this.#parts.store;
    this.#makeRoom(async () => (await reports.bytes()) * (1 - MADE_FREE));
  }

  /** Ends soon, with what is done in the store. May be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#steps.take(() => Promise.resolve());
  }

  /** @param limit how many bytes are to be left; undefined when they are few enough */
  #makeRoom(limit: () => Promise<number | undefined>): void {
    if (this.#isMakingRoom) return;
    this.#isMakingRoom = true;
    void this.#steps.take(async () => {
      try {
        const maxBytes = await this.#parts.health.attempt('retention', limit);
        if (maxBytes !== undefined) await this.#drop(maxBytes);
      } finally {
        this.#isMakingRoom = false;
      }
    });
  }

  /** @returns whether the store did so */
  #drop(maxBytes: number): Promise<boolean> {
    const { store, now, retentionMs } = this.#parts;
    const retention = { before: now() - retentionMs, maxBytes };
    return this.#inSteps(async () => (await store.reports.prune(retention, PRUNE_AT_ONCE)) === PRUNE_AT_ONCE);
  }

  /** @param step returns whether more is left to do. @returns whether all steps succeeded */
  async #inSteps(step: () => Promise<boolean>): Promise<boolean> {
    for (let more = true; more && !this.#closed;) {
      const left = await this.#parts.health.attempt('retention', step);
      if (left === undefined) return false;
      more = left;
      await nextTurn();
    }
    return true;
  }
}
