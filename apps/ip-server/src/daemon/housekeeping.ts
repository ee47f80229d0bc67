import { setImmediate as nextTurn } from 'node:timers/promises';
import { Semaphore, type FilerError } from '@filer/protocol';
import type { Presence } from '../network/presence.ts';
import type { Store } from '../store/interfaces.ts';
import type { Attachments } from '../uploads/attachments.ts';
import type { Retention } from './retention.ts';
import type { StoreHealth } from './store-health.ts';

/** How soon what failed is tried again: that the store works again is to be known before the next hour. */
const RETRY_MS = 5_000;
const STEPS_A_MINUTE = 12;
const MINUTES_AN_HOUR = 60;
const TASKS = ['heartbeats', 'retention', 'removing attachments'] as const;

/** What a sample takes in the database, in bytes; rounded up. */
const SAMPLE_BYTES = 100;

/** Rows written or dropped in one transaction: at most about 20 ms of work, in which the loop stands still. */
const SAMPLES_AT_ONCE = 200;
const ROLLED_UP_AT_ONCE = 500;

export interface HousekeepingParts {
  readonly store: Pick<Store, 'samples' | 'registry'>;
  readonly presence: Presence;
  readonly attachments: Pick<Attachments, 'sweep'>;
  readonly retention: Pick<Retention, 'prune'>;
  readonly health: StoreHealth;
  /** Why so many bytes for heartbeats have no room now. */
  readonly refusal: (bytes: number) => Promise<FilerError | undefined>;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly now: () => number;
}

/** What is done every minute: a sample of each machine's numbers, retention, and once an hour the roll-up. */
export class Housekeeping {
  readonly #parts: HousekeepingParts;
  readonly #timer: NodeJS.Timeout;
  readonly #minutesDone = new Semaphore(1);
  #steps = 0;
  #minutes = 0;
  #closed = false;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.#step(), RETRY_MS);
  }

  /** Stores what came since the last minute. May be called twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closed = true;
    await this.#minutesDone.take(() => this.#saveSamples());
  }

  #step(): void {
    const { health } = this.#parts;
    const isMinute = ++this.#steps % STEPS_A_MINUTE === 0;
    if (isMinute || TASKS.some((task) => health.isFailing(task)))
      void this.#minutesDone.take(() => this.#clean(isMinute));
  }

  async #clean(isMinute: boolean): Promise<void> {
    const { health, retention, attachments } = this.#parts;
    await this.#saveSamples();
    const isHour = isMinute && this.#minutes++ % MINUTES_AN_HOUR === 0;
    if (isHour || health.isFailing('heartbeats')) await this.#rollUp();
    await retention.prune();
    await health.attempt('removing attachments', () => attachments.sweep());
  }

  async #saveSamples(): Promise<void> {
    const { store, presence, health, refusal } = this.#parts;
    const fresh = [...presence.takeFreshHeartbeats()];
    for (let first = 0; first < fresh.length; first += SAMPLES_AT_ONCE) {
      const slice = new Map(fresh.slice(first, first + SAMPLES_AT_ONCE));
      await health.attempt('heartbeats', async () => {
        const why = await refusal(slice.size * SAMPLE_BYTES);
        if (why !== undefined) throw why;
        await store.samples.save(slice);
        await store.registry.saveHeartbeats(slice);
      });
      await nextTurn();
    }
  }

  async #rollUp(): Promise<void> {
    const { store, health, now } = this.#parts;
    for (let more = true; more && !this.#closed;) {
      const rolledUp = await health.attempt('heartbeats', () =>
        store.samples.rollUp(now(), ROLLED_UP_AT_ONCE),
      );
      more = rolledUp ?? false;
      await nextTurn();
    }
  }
}
