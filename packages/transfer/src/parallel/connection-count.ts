/** How many connections to try, one after the other, as long as each step pays. */
const STEPS = [4, 8, 16];
/**
 * With so much on its way, in bytes, one connection loses few packets: the path may be full, and several that begin there at once
 * would fill its queue. Two are tried first.
 */
const MUCH_ON_ITS_WAY_BYTES = 512 * 1024;
const GENTLE_STEPS = [2, ...STEPS];

/** A step pays when it carries so many times as much as before. What shares a full link with others gains less. */
const GAIN = 1.2;

/** Connections have so long to come to their speed, and are measured for so long then: in ms, and in round trips. */
const SETTLE = { ms: 1_000, roundTrips: 10 };
const MEASURE = { ms: 1_500, roundTrips: 15 };
/** A longer one was measured while the other side was busy. */
const MAX_ROUND_TRIP_MS = 500;

/** Connections that were not opened within this, in ms, are not waited for. */
const OPEN_MS = 5_000;

/** After a step that does not pay, the next try is so long after it, in ms; each further one twice as long, up to the last. */
const HOLD_MS = 10_000;
const MAX_HOLD_MS = 300_000;

/** Below this part of the time the network is not what the sender waits for: it is the disk, a limit, or the file that grows. */
const BUSY_SHARE = 0.5;

/**
 * A path of a round trip below the first number, in ms, that carries more than the second, in bytes a second, is limited by
 * nothing that more connections change. A shorter one that carries less may lose packets.
 */
const SHORT_MS = 5;
const FAST_BYTES_PER_SECOND = 60e6;

export interface CountOptions {
  readonly roundTripMs: number;
  /** Beside the first one. */
  readonly most: number;
}

export interface Look {
  /** Of a clock that does not jump, in ms. */
  readonly now: number;
  /** All that has come to the receiver. */
  readonly bytes: number;
  /** How long in all the sender waited for the network, in ms. */
  readonly busyMs: number;
  /** Further connections that are open. */
  readonly open: number;
}

type Phase =
  /** Until `until`, then it is measured: connections come to their speed, or the last step did not pay. */
  | { readonly is: 'waiting'; readonly until: number }
  | { readonly is: 'opening'; readonly until: number }
  | { readonly is: 'measuring'; readonly from: Look };

/**
 * How many further connections a transfer is to have, by what the ones before it have carried. It tries more where the network is what
 * limits it, and goes back where that does not pay.
 */
export class ConnectionCount {
  readonly #settleMs: number;
  readonly #measureMs: number;
  readonly #roundTripMs: number;
  readonly #most: number;
  #steps: readonly number[];
  /** How many steps were taken. */
  #taken = 0;
  /** Bytes a second before the last step; undefined where the next measure is compared with nothing. */
  #before: number | undefined;
  #phase: Phase | undefined;
  #holdMs = HOLD_MS;

  constructor({ roundTripMs, most }: CountOptions) {
    const round = Math.min(roundTripMs, MAX_ROUND_TRIP_MS);
    this.#settleMs = Math.max(SETTLE.ms, SETTLE.roundTrips * round);
    this.#measureMs = Math.max(MEASURE.ms, MEASURE.roundTrips * round);
    this.#roundTripMs = round;
    this.#most = most;
    this.#steps = upTo(most, STEPS);
  }

  /** Further connections that are to be open; 0: the first one serves alone. */
  get wanted(): number {
    return this.#steps[this.#taken - 1] ?? 0;
  }

  /** To be called a few times a second. */
  look(look: Look): void {
    const { now, open } = look;
    this.#phase ??= { is: 'waiting', until: now + this.#settleMs };
    const phase = this.#phase;
    if (phase.is === 'opening') {
      if (open >= this.wanted || (now >= phase.until && open > 1)) this.#wait(now, this.#settleMs);
      else if (now >= phase.until) this.#goBack(now);
    } else if (phase.is === 'waiting') {
      if (now >= phase.until) this.#phase = { is: 'measuring', from: look };
    } else if (now - phase.from.now >= this.#measureMs) this.#judge(phase.from, look);
  }

  #judge(from: Look, look: Look): void {
    const ms = look.now - from.now;
    const rate = ((look.bytes - from.bytes) / ms) * 1_000;
    const isBusy = (look.busyMs - from.busyMs) / ms >= BUSY_SHARE;
    const before = this.#before;
    this.#before = undefined;
    if (before !== undefined && rate < before * GAIN) return this.#goBack(look.now);
    const isFast = this.#roundTripMs < SHORT_MS && rate >= FAST_BYTES_PER_SECOND;
    if (!isBusy || isFast || rate === 0 || this.#taken === this.#steps.length) {
      this.#phase = { is: 'measuring', from: look };
      return;
    }
    if (this.#taken === 0) {
      const isMuch = (rate * this.#roundTripMs) / 1_000 >= MUCH_ON_ITS_WAY_BYTES;
      this.#steps = upTo(this.#most, isMuch ? GENTLE_STEPS : STEPS);
    }
    this.#taken++;
    this.#before = rate;
    this.#phase = { is: 'opening', until: look.now + OPEN_MS };
  }

  #goBack(now: number): void {
    this.#taken--;
    this.#before = undefined;
    this.#wait(now, this.#holdMs);
    this.#holdMs = Math.min(2 * this.#holdMs, MAX_HOLD_MS);
  }

  #wait(now: number, ms: number): void {
    this.#phase = { is: 'waiting', until: now + ms };
  }
}

function upTo(most: number, steps: readonly number[]): readonly number[] {
  return most < 2 ? [] : [...steps.filter((step) => step < most), most];
}
