import type { SavedClock } from '../store/expectation.ts';

/** The clocks of a machine. Times in ms. */
export interface MachineClocks {
  /** Since the epoch; people and their programs set it. */
  wall(): number;
  /** Never jumps, and stands still while the machine sleeps. */
  monotonic(): number;
  /** Since the machine was started, its sleep included. */
  uptime(): number;
  /** Names this start of the machine; undefined where there is no such name. */
  readonly boot: string | undefined;
}

/** One moment by two clocks, in ms. */
export interface Moment {
  /** What is judged by: it never jumps. */
  readonly steady: number;
  /** What is shown, and kept beside what people know: ms since the epoch. */
  readonly time: number;
}

/**
 * A clock that does not jump, also not over a restart of the server: as long as the machine was not started again, what
 * has passed meanwhile is known for certain. Else the wall's clock says it, which never takes time back here.
 */
export class SteadyClock {
  readonly #clocks: MachineClocks;
  readonly #ahead: number;
  #lookedAt: { readonly monotonic: number; readonly uptime: number };

  /** @param saved by the last server of this home; undefined for the first */
  constructor(clocks: MachineClocks, saved: SavedClock | undefined) {
    this.#clocks = clocks;
    this.#ahead = startOf(clocks, saved) - clocks.monotonic();
    this.#lookedAt = { monotonic: clocks.monotonic(), uptime: clocks.uptime() };
  }

  now(): Moment {
    return {
      steady: Math.round(this.#clocks.monotonic() + this.#ahead),
      time: Math.round(this.#clocks.wall()),
    };
  }

  /** How long ago the last look was, the machine's sleep included. */
  look(): number {
    const before = this.#lookedAt;
    this.#lookedAt = { monotonic: this.#clocks.monotonic(), uptime: this.#clocks.uptime() };
    return Math.max(this.#lookedAt.monotonic - before.monotonic, this.#lookedAt.uptime - before.uptime);
  }

  save(): SavedClock {
    const { boot } = this.#clocks;
    return { ...this.now(), uptime: Math.round(this.#clocks.uptime()), boot };
  }
}

function startOf(clocks: MachineClocks, saved: SavedClock | undefined): number {
  if (saved === undefined) return clocks.wall();
  const uptime = clocks.uptime();
  const isSameBoot = saved.boot !== undefined && saved.boot === clocks.boot && uptime >= saved.uptime;
  return saved.steady + Math.max(0, isSameBoot ? uptime - saved.uptime : clocks.wall() - saved.time);
}

/** What a time of the steady clock is for people, in ms since the epoch. */
export function wallTime(steadyTime: number, { steady, time }: Moment): number {
  return time + steadyTime - steady;
}
