import type { DeliveryProgress } from '../api/contract/collects.ts';
import type { LiveSession } from '../network/live-sessions.ts';
import type { Collect, CollectRun } from '../store/collect-store.ts';

/** A machine that is being asked, has promised to deliver, or delivers. */
export class Attempt {
  readonly collect: Collect;
  readonly run: CollectRun;
  readonly peer: string;
  /** Over which it was asked; undefined where it delivers for the server before this one. */
  readonly session: LiveSession | undefined;
  readonly stop = new AbortController();
  phase: 'asking' | 'asked' | 'delivering' = 'asking';
  progress: DeliveryProgress = { files: 0, filesTotal: 0, bytes: 0, bytesTotal: 0, complete: false };
  /** When it began, by the steady clock. */
  readonly since: number;
  /** When it came to its phase. */
  phaseSince: number;
  readonly #over = Promise.withResolvers<void>();

  constructor(collect: Collect, run: CollectRun, peer: string, steadyNow: number, session?: LiveSession) {
    this.session = session;
    this.collect = collect;
    this.run = run;
    this.peer = peer;
    this.since = steadyNow;
    this.phaseSince = steadyNow;
  }

  /** Resolves when nothing more comes of it. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  enter(phase: Attempt['phase'], steadyNow: number): void {
    this.phase = phase;
    this.phaseSince = steadyNow;
  }

  end(): void {
    this.#over.resolve();
  }
}

/** So many machines at a time. */
const AT_ONCE = 8;

/** One that takes longer makes room for the others, which may be quicker. */
const QUICK_MS = 30_000;

/** Together with those that take longer; the door takes 64 transfers, and reports bring attachments, too. */
const AT_ONCE_IN_ALL = 48;

/** All attempts of all collects. */
export class Attempts {
  readonly #all = new Set<Attempt>();

  get all(): readonly Attempt[] {
    return [...this.#all];
  }

  add(attempt: Attempt): void {
    this.#all.add(attempt);
  }

  has(attempt: Attempt): boolean {
    return this.#all.has(attempt);
  }

  /** Takes it out, and lets those know who wait for its end. */
  end(attempt: Attempt): void {
    this.#all.delete(attempt);
    attempt.end();
  }

  get(run: number, peer: string): Attempt | undefined {
    return this.#find((each) => each.run.number === run && each.peer === peer);
  }

  /** Whatever run of the collect it is for. */
  of(collect: string, peer: string): Attempt | undefined {
    return this.#find((each) => each.collect.name === collect && each.peer === peer);
  }

  /** Who delivers, and in which run. */
  delivering(): { readonly run: number; readonly peer: string }[] {
    return this.all
      .filter(({ phase }) => phase === 'delivering')
      .map(({ run, peer }) => ({ run: run.number, peer }));
  }

  hasRoom(steadyNow: number): boolean {
    if (this.#all.size >= AT_ONCE_IN_ALL) return false;
    return this.all.filter(({ since }) => steadyNow - since < QUICK_MS).length < AT_ONCE;
  }

  #find(fits: (attempt: Attempt) => boolean): Attempt | undefined {
    for (const attempt of this.#all) if (fits(attempt)) return attempt;
    return undefined;
  }
}
