import type { LiveSession } from '../network/live-sessions.ts';
import type { Collect, CollectRun, Delivery } from '../store/collect-store.ts';

/** Between tries with one machine: the first pause, doubled each time, and the longest. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 10 * 60_000;

const OPEN_STATES: ReadonlySet<string> = new Set(['waiting', 'asked', 'failed']);

interface Pause {
  /** By the steady clock. */
  readonly until: number;
  readonly ms: number;
  /** The machine's, when it was tried. */
  readonly session: LiveSession | undefined;
}

/** The newest run of a collect, as the store has it, and who is tried again when. */
export class OpenRun {
  readonly collect: Collect;
  readonly run: CollectRun;
  /** By the steady clock. */
  readonly lateAt: number;
  isLate: boolean;
  readonly #rows = new Map<string, Delivery>();
  readonly #open = new Set<string>();
  readonly #pauses = new Map<string, Pause>();

  constructor(collect: Collect, run: CollectRun, rows: readonly Delivery[], lateAt: number) {
    this.collect = collect;
    this.run = run;
    this.lateAt = lateAt;
    this.isLate = run.isLate;
    for (const row of rows) this.set(row);
  }

  row(peer: string): Delivery | undefined {
    return this.#rows.get(peer);
  }

  /** Who has not delivered and still may. */
  get openPeers(): readonly string[] {
    return [...this.#open];
  }

  isOpen(peer: string): boolean {
    return this.#open.has(peer);
  }

  set(row: Delivery | undefined): void {
    if (row === undefined) return;
    this.#rows.set(row.peer, row);
    if (OPEN_STATES.has(row.state)) this.#open.add(row.peer);
    else this.#open.delete(row.peer);
  }

  /** What is known of a machine as the run ends: who was open is tidied up after. */
  refresh(row: Delivery): void {
    this.#rows.set(row.peer, row);
  }

  /** As they are once the grace is over. */
  setAll(rows: readonly Delivery[]): void {
    this.isLate = true;
    for (const row of rows) this.set(row);
  }

  /** Whether it is left alone for now. A machine that has come back since is not. @param session the live one */
  isPaused(peer: string, steadyNow: number, session: LiveSession): boolean {
    const pause = this.#pauses.get(peer);
    return pause !== undefined && pause.session?.id === session.id && steadyNow < pause.until;
  }

  /** It is not tried again for a while, longer each time. */
  pause(peer: string, steadyNow: number, session: LiveSession | undefined): void {
    const before = this.#pauses.get(peer)?.ms;
    const ms = before === undefined ? FIRST_PAUSE_MS : Math.min(2 * before, LONGEST_PAUSE_MS);
    this.#pauses.set(peer, { until: steadyNow + ms, ms, session });
  }
}
