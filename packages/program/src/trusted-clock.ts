/** The clocks of this machine at one moment, in ms. */
export interface ClockReading {
  /** Since the epoch; people, programs and empty batteries set it. */
  readonly wallMs: number;
  /** Since this machine was started, its sleep included: nothing sets it. */
  readonly steadyMs: number;
  /** Names this start of the machine; empty where there is no such name. */
  readonly boot: string;
}

/** What is stored of a trusted clock. */
export interface SavedTrust extends Omit<ClockReading, 'wallMs'> {
  /** The time that was trusted then, in ms since the epoch. */
  readonly timeMs: number;
}

/** Whether the clocks of other machines agree with the wall clock of this one; `alone` when there is none to ask. */
type Verdict = 'agreed' | 'disagreed' | 'alone';

/** Clocks within this are taken for the same time: NTP is off by less, a wrong time zone is off by at least as much. */
const AGREED_MS = 3_600_000;

/**
 * How fast the trusted time follows a wall clock that is ahead of it and that no other machine confirms: a machine that
 * runs a quarter of its time catches up, and a clock that was wrong for a day makes nothing older than four.
 */
const CATCH_UP = 4;

/** The same for a wall clock that is behind: nothing is lost by a trusted time that is too early. */
const FALL_BACK = 60;

/** After a longer gap between two looks, nothing says that the wall clock was the same throughout. */
const MAX_GAP_MS = 600_000;

/** Machines whose clocks are remembered. */
const MAX_WITNESSES = 1_000;

/** Within this, one look at the clocks of other machines does. */
const LOOK_EVERY_MS = 1_000;

/**
 * The time that this machine has a reason to believe. It continues by the steady clock, over restarts of the program too, and
 * is set to the wall clock where other machines confirm that; otherwise it approaches the wall clock at a limited speed.
 * What is removed for its age is judged by `now`, which a wall clock that jumps ahead does not move.
 */
export class TrustedClock {
  readonly #read: () => ClockReading;
  /** How far the clock of each other machine is ahead of the steady clock of this one. */
  readonly #witnesses = new Map<string, number>();
  #timeMs: number;
  #last: ClockReading;

  /** @param saved by the last process of this home; a time alone says that it has been reached, undefined that nothing is known */
  constructor(read: () => ClockReading, saved: SavedTrust | number | undefined) {
    const reading = read();
    this.#read = read;
    this.#last = reading;
    if (typeof saved !== 'object') {
      this.#timeMs = saved ?? reading.wallMs;
      return;
    }
    this.#timeMs = saved.timeMs;
    const isSameBoot = saved.boot !== '' && saved.boot === reading.boot;
    // How long a machine was off is not known: nothing is taken to have passed.
    if (isSameBoot && reading.steadyMs > saved.steadyMs)
      this.#last = { ...reading, steadyMs: saved.steadyMs };
  }

  /** Another machine's clock says so now. @param id the newest word of each machine counts */
  witness(id: string, timeMs: number): void {
    this.#advance();
    this.#witnesses.delete(id);
    this.#witnesses.set(id, timeMs - this.#read().steadyMs);
    const [oldest] = this.#witnesses.keys();
    if (this.#witnesses.size > MAX_WITNESSES && oldest !== undefined) this.#witnesses.delete(oldest);
    this.#advance(true);
  }

  /** What ages are judged by, in ms since the epoch: never later than the wall clock says. */
  now(): number {
    return Math.min(this.#advance(), this.#read().wallMs);
  }

  /** What a record is dated with: the wall clock, unless that is behind a time that is known to have been reached. */
  stamp(): number {
    const trusted = this.#advance();
    const { wallMs } = this.#read();
    return trusted - wallMs > AGREED_MS ? trusted : wallMs;
  }

  /** By how much the wall clock is ahead of what can be believed, in ms; 0 when that is little. */
  get doubtMs(): number {
    const aheadMs = this.#read().wallMs - this.#advance();
    return aheadMs > AGREED_MS ? aheadMs : 0;
  }

  save(): SavedTrust {
    const timeMs = this.#advance();
    const { steadyMs, boot } = this.#read();
    return { timeMs, steadyMs: Math.round(steadyMs), boot };
  }

  /** @returns the trusted time */
  #advance(atOnce = false): number {
    const reading = this.#read();
    const elapsedMs = Math.max(0, reading.steadyMs - this.#last.steadyMs);
    if (!atOnce && elapsedMs < LOOK_EVERY_MS) return Math.round(this.#timeMs + elapsedMs);
    this.#timeMs = trustedTime(this.#timeMs, elapsedMs, reading.wallMs, this.#verdict(reading));
    this.#last = reading;
    return Math.round(this.#timeMs);
  }

  #verdict({ wallMs, steadyMs }: ClockReading): Verdict {
    if (this.#witnesses.size === 0) return 'alone';
    let agreeing = 0;
    for (const ahead of this.#witnesses.values()) {
      if (Math.abs(wallMs - (steadyMs + ahead)) <= AGREED_MS) agreeing++;
    }
    return 2 * agreeing > this.#witnesses.size ? 'agreed' : 'disagreed';
  }
}

/**
 * The trusted time after some time has passed.
 *
 * @param elapsedMs by the steady clock
 */
function trustedTime(beforeMs: number, elapsedMs: number, wallMs: number, verdict: Verdict): number {
  if (verdict === 'agreed') return wallMs;
  const line = beforeMs + elapsedMs;
  const ranMs = verdict === 'alone' && elapsedMs <= MAX_GAP_MS ? elapsedMs : 0;
  return Math.max(Math.min(wallMs, line + (CATCH_UP - 1) * ranMs), line - FALL_BACK * ranMs);
}
