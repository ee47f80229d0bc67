import { setImmediate as nextTurn } from 'node:timers/promises';
import { Semaphore, type FilerError } from '@filer/protocol';
import type { Presence } from '../network/presence.ts';
import type { Store } from '../store/interfaces.ts';
import type { Attachments } from '../uploads/attachments.ts';
import type { Retention } from './retention.ts';
import type { StoreHealth } from './store-health.ts';

const MINUTE_MS = 60_000;
const MINUTES_AN_HOUR = 60;

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
  #minutes = 0;
  #closed = false;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => void this.#minutesDone.take(() => this.#minute()), MINUTE_MS);
  }

  /** Stores what came since the last minute. May be called twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closed = true;
    await this.#minutesDone.take(() => this.#saveSamples());
  }

  async #minute(): Promise<void> {
    const { health, retention, attachments } = this.#parts;
    await this.#saveSamples();
    if (this.#minutes++ % MINUTES_AN_HOUR === 0) await this.#rollUp();
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
