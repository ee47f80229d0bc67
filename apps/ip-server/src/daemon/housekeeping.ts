import { setImmediate as nextTurn } from 'node:timers/promises';
import { FilerError } from '@filer/protocol';
import type { Presence } from '../server/presence.ts';
import type { Store } from '../store/store.ts';
import type { Attachments } from '../uploads/attachments.ts';
import type { StoreHealth } from './store-health.ts';

const MINUTE_MS = 60_000;
const MINUTES_AN_HOUR = 60;

/** Rows written or dropped in one transaction: at most about 20 ms of work, in which the loop stands still. */
const PRUNE_AT_ONCE = 200;
const SAMPLES_AT_ONCE = 200;
const ROLLED_UP_AT_ONCE = 500;

export interface HousekeepingParts {
  readonly store: Store;
  readonly presence: Presence;
  readonly attachments: Pick<Attachments, 'sweep'>;
  readonly health: StoreHealth;
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

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.#minute());
    }, MINUTE_MS);
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
      this.#try('heartbeats', () => {
        store.samples.save(slice);
        store.registry.saveHeartbeats(slice);
      });
      await nextTurn();
    }
  }

  async #rollUp(): Promise<void> {
    const { store, now } = this.#parts;
    for (let more = true; more && !this.#closed;) {
      more = this.#try('heartbeats', () => store.samples.rollUp(now(), ROLLED_UP_AT_ONCE)) ?? false;
      await nextTurn();
    }
  }

  async #prune(): Promise<void> {
    const { store, now, retentionMs, maxReportBytes } = this.#parts;
    const retention = { before: now() - retentionMs, maxBytes: maxReportBytes };
    const { reports } = store;
    const steps = [() => reports.prune(retention, PRUNE_AT_ONCE) === PRUNE_AT_ONCE, () => store.giveBack()];
    for (const step of steps) {
      for (let more = true; more && !this.#closed;) {
        const left = this.#try('retention', step);
        if (left === undefined) return;
        more = left;
        await nextTurn();
      }
    }
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

  #try<T>(task: 'heartbeats' | 'retention', work: () => T): T | undefined {
    try {
      const result = work();
      this.#parts.health.tell(task, undefined);
      return result;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#parts.health.tell(task, error);
      return undefined;
    }
  }
}
