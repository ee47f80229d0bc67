import { RateLimit, type Limit } from '@filer/transfer';
import { rateAt, type RateWindow } from '../rate-windows.ts';

/** The limits of this machine, which all its transfers share. */
export interface StandingLimits {
  readonly send: StandingLimit;
  readonly receive: StandingLimit;
}

/** One of them, and how it is set. */
export interface StandingLimit extends Limit {
  readonly windows: readonly RateWindow[];
  /** Bytes a second now; undefined while nothing is limited. */
  readonly rate: number | undefined;
}

/** @param now ms since the epoch */
export function standingLimit(windows: readonly RateWindow[], now: () => number = Date.now): StandingLimit {
  const rate = (): number | undefined => rateAt(windows, now());
  const limit = new RateLimit(rate);
  return {
    windows,
    get rate() {
      return rate();
    },
    get pieceBytes() {
      return limit.pieceBytes;
    },
    take: (bytes, signal) => limit.take(bytes, signal),
  };
}

export const NO_LIMITS: StandingLimits = { send: standingLimit([]), receive: standingLimit([]) };
