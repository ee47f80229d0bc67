import type { Duplex } from 'node:stream';
import { FilerError } from '../errors.ts';
import { Rates } from '../fairness/rates.ts';
import { Shares } from '../fairness/shares.ts';
import {
  MAX_RELAYED,
  MAX_RELAYED_PER_PEER,
  RELAY_BYTES_AT_ONCE,
  RELAY_BYTES_PER_DAY,
  RELAY_BYTES_PER_SECOND,
  RELAY_IDLE_MS,
  RELAY_TOKEN_MS,
} from '../limits.ts';
import { Rendezvous } from './rendezvous.ts';
import { splice } from './splice.ts';

const DAY_S = 24 * 3_600;

/**
 * So much is charged at once, in bytes, or what may pass in a sixty-fourth of a second: the connection then waits long enough
 * for the system to have whole buffers to read, and short enough for what is said between. Of a day's bytes it is little.
 */
const CHARGED_AT_ONCE = 512 * 1024;
const CHARGES_PER_SECOND = 64;
const CHARGES_PER_DAY = 1_024;

/** Two machines: their connections, or the token of one that has not come. */
interface RelayedPair {
  readonly machines: readonly [string, string];
  end: () => void;
}

export interface RelayOptions {
  /** Of one machine that asks. @default RELAY_BYTES_PER_SECOND */
  readonly bytesPerSecond?: number | undefined;
  /** The same in a day. @default RELAY_BYTES_PER_DAY */
  readonly bytesPerDay?: number | undefined;
  /** @default RELAY_IDLE_MS */
  readonly idleMs?: number;
  /** @default RELAY_TOKEN_MS */
  readonly tokenMs?: number;
  /** Called when a pair has ended, with how much it carried; the content is not visible here. */
  readonly onEnded?: (asker: string, bytes: number) => void;
  /** A clock that does not jump, in ms. */
  readonly now?: () => number;
}

/**
 * Joins connections of machines that cannot reach each other. A token admits a connection and proves nothing: the two machines
 * prove their keys to each other over what is joined. All of it is charged to the machine that asked.
 */
export class Relay {
  readonly #meetings: Rendezvous<Duplex>;
  readonly #places = new Shares({ perHolder: MAX_RELAYED_PER_PEER, inAll: MAX_RELAYED });
  readonly #rates: Rates;
  readonly #quotas: Rates;
  readonly #chargedAtOnce: number;
  readonly #pairs = new Set<RelayedPair>();
  readonly #options: RelayOptions;
  readonly #now: () => number;

  constructor(options: RelayOptions = {}) {
    const { bytesPerSecond = RELAY_BYTES_PER_SECOND, bytesPerDay = RELAY_BYTES_PER_DAY } = options;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#meetings = new Rendezvous(options.tokenMs ?? RELAY_TOKEN_MS);
    this.#chargedAtOnce = Math.min(
      CHARGED_AT_ONCE,
      bytesPerSecond / CHARGES_PER_SECOND,
      bytesPerDay / CHARGES_PER_DAY,
    );
    const atOnce = Math.min(RELAY_BYTES_AT_ONCE, 2 * bytesPerSecond);
    this.#rates = new Rates({ atOnce, perSecond: bytesPerSecond });
    this.#quotas = new Rates({ atOnce: bytesPerDay, perSecond: bytesPerDay / DAY_S });
  }

  /** Pairs that are joined, or have a token. */
  get size(): number {
    return this.#places.total;
  }

  /**
   * Tokens for the connections of a pair: of the machine that asks, and of the other one.
   *
   * @throws FilerError `rate-limited`, `too-many-connections`
   */
  issue(asker: string, other: string): readonly [string, string] {
    if (this.#quotas.left(asker, this.#now()) <= 0)
      throw new FilerError(
        'rate-limited',
        'as much was relayed for this machine as may be in a day: try later',
      );
    // A pair does not give way: an equal part for each machine that comes would be no bound.
    if (this.size >= MAX_RELAYED || !this.#places.tryAdd(asker, 1))
      throw new FilerError(
        'too-many-connections',
        `${this.#places.of(asker)} connections are relayed for this machine, and ${this.size} in all: try again when one has ended`,
      );
    const pair: RelayedPair = {
      machines: [asker, other],
      end: () => tokens.forEach((token) => this.revoke(token)),
    };
    this.#pairs.add(pair);
    const done = (): void => {
      this.#pairs.delete(pair);
      this.#places.giveBack(asker, 1);
    };
    const tokens = this.#meetings.issue(
      (a, b) => {
        pair.end = () => {
          a.destroy();
          b.destroy();
        };
        void this.#join(asker, a, b).finally(done);
      },
      (waiting) => {
        waiting?.destroy();
        done();
      },
    );
    return tokens;
  }

  /** Ends what is relayed for machines that have left, at the request of either side. */
  end(hasLeft: (machine: string) => boolean): void {
    for (const pair of this.#pairs) if (pair.machines.some(hasLeft)) pair.end();
  }

  /** A pair will not come. @param token one of its tokens */
  revoke(token: string): void {
    this.#meetings.revoke(token);
  }

  /** Takes a connection that named a token in. @returns false for a token that admits nothing */
  accept(stream: Duplex, token: string): boolean {
    if (!this.#meetings.take(token, stream)) return false;
    stream.on('error', () => undefined); // 'close' tells the end
    stream.once('close', () => this.#meetings.leave(stream));
    return true;
  }

  /** Ends all. */
  close(): void {
    for (const pair of this.#pairs) pair.end();
  }

  async #join(asker: string, a: Duplex, b: Duplex): Promise<void> {
    let uncharged = 0;
    const charge = (bytes: number): number | undefined => {
      uncharged += bytes;
      if (uncharged < this.#chargedAtOnce) return 0;
      const now = this.#now();
      this.#quotas.take(asker, uncharged, now);
      this.#rates.take(asker, uncharged, now);
      uncharged = 0;
      if (this.#quotas.left(asker, now) <= 0) return undefined;
      return this.#rates.waitMs(asker, 0, now);
    };
    const bytes = await splice(a, b, { idleMs: this.#options.idleMs ?? RELAY_IDLE_MS, charge });
    this.#quotas.take(asker, uncharged, this.#now());
    this.#rates.take(asker, uncharged, this.#now());
    this.#options.onEnded?.(asker, bytes);
  }
}
