import { setImmediate as nextTurn } from 'node:timers/promises';
import { FilerError } from '@filer/protocol';
import type { Presence } from '../network/presence.ts';
import type { Store } from '../store/interfaces.ts';
import type { Attachments } from '../uploads/attachments.ts';
import type { StoreHealth } from './store-health.ts';

const MINUTE_MS = 60_000;
const MINUTES_AN_HOUR = 60;

/** Rows written or dropped in one transaction: at most about 20 ms of work, in which the loop stands still. */
const PRUNE_AT_ONCE = 200;

/** What a sample takes in the database, in bytes; rounded up. */
const SAMPLE_BYTES = 100;

/** Reports are dropped at once, and not with the next minute, when they take more than their space by this part of it. */
const SLACK = 0.02;

/** Made free for machines with few reports when the disk has no room: by this part of all reports at a time. */
const MADE_FREE = 0.02;

const SAMPLES_AT_ONCE = 200;
const ROLLED_UP_AT_ONCE = 500;

export interface HousekeepingParts {
  readonly store: Store;
  readonly presence: Presence;
  readonly attachments: Pick<Attachments, 'sweep'>;
  readonly health: StoreHealth;
  /** Why so many bytes for heartbeats have no room now. */
  readonly refusal: (bytes: number) => Promise<FilerError | undefined>;
  readonly retentionMs: number;
  readonly maxReportBytes: number;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly now: () => number;
}

/** What is done every minute: a sample of each machine's numbers, retention, and once an hour the roll-up. */
export class Housekeeping {
  readonly #parts: HousekeepingParts;
  #timer: NodeJS.Timeout | undefined;
  #minutes = 0;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  #isMakingRoom = false;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#minute());
    }, MINUTE_MS);
  }

  /** Reports were stored: those that are too many go soon. */
  stored(): void {
    const { store, maxReportBytes } = this.#parts;
    this.#makeRoom(async () => {
      const bytes = await store.reports.bytes();
      return bytes > maxReportBytes * (1 + SLACK) ? maxReportBytes : undefined;
    });
  }

  /** The disk has no room for the reports of machines with few: those with most give some. */
  makeRoom(): void {
    const { reports } = this.#parts.store;
    this.#makeRoom(async () => (await reports.bytes()) * (1 - MADE_FREE));
  }

  /** @param limit how many bytes are to be left; undefined when they are few enough */
  #makeRoom(limit: () => Promise<number | undefined>): void {
    if (this.#isMakingRoom) return;
    this.#isMakingRoom = true;
    this.#running = this.#running.then(async () => {
      try {
        const maxBytes = await limit();
        if (maxBytes !== undefined) await this.#drop(maxBytes);
      } finally {
        this.#isMakingRoom = false;
      }
    });
  }

  /** Stores what came since the last minute. May be called twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closed = true;
    await this.#running;
    await this.#saveSamples();
  }

  async #minute(): Promise<void> {
    await this.#saveSamples();
    if (this.#minutes++ % MINUTES_AN_HOUR === 0) await this.#rollUp();
    await this.#prune();
    await this.#sweep();
  }

  async #saveSamples(): Promise<void> {
    const { store, presence } = this.#parts;
    const fresh = [...presence.takeFreshHeartbeats()];
    for (let first = 0; first < fresh.length; first += SAMPLES_AT_ONCE) {
      const slice = new Map(fresh.slice(first, first + SAMPLES_AT_ONCE));
      await this.#try('heartbeats', async () => {
        const why = await this.#parts.refusal(slice.size * SAMPLE_BYTES);
        if (why !== undefined) throw why;
        await store.samples.save(slice);
        await store.registry.saveHeartbeats(slice);
      });
      await nextTurn();
    }
  }

  async #rollUp(): Promise<void> {
    const { store, now } = this.#parts;
    for (let more = true; more && !this.#closed;) {
      more = (await this.#try('heartbeats', () => store.samples.rollUp(now(), ROLLED_UP_AT_ONCE))) ?? false;
      await nextTurn();
    }
  }

  async #prune(): Promise<void> {
    const { store, maxReportBytes } = this.#parts;
    if (await this.#drop(maxReportBytes)) await this.#inSteps(() => store.giveBack());
  }

  /** Drops reports that are too old or too many. @returns whether the store did so */
  #drop(maxBytes: number): Promise<boolean> {
    const { store, now, retentionMs } = this.#parts;
    const retention = { before: now() - retentionMs, maxBytes };
    return this.#inSteps(async () => (await store.reports.prune(retention, PRUNE_AT_ONCE)) === PRUNE_AT_ONCE);
  }

  /** @param step returns whether more is left to do. @returns whether all steps succeeded */
  async #inSteps(step: () => Promise<boolean>): Promise<boolean> {
    for (let more = true; more && !this.#closed;) {
      const left = await this.#try('retention', step);
      if (left === undefined) return false;
      more = left;
      await nextTurn();
    }
    return true;
  }

  async #sweep(): Promise<void> {
    try {
      await this.#parts.attachments.sweep();
      this.#parts.health.tell('removing attachments', undefined);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#parts.health.tell('removing attachments', error);
    }
  }

  async #try<T>(task: 'heartbeats' | 'retention', work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      const result = await work();
      this.#parts.health.tell(task, undefined);
      return result;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#parts.health.tell(task, error);
      return undefined;
    }
  }
}
