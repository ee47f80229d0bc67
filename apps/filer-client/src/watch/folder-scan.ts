import { dirname } from 'node:path';
import type { Watch, WatchStore } from '../store/watch-store.ts';
import type { FolderProblems } from './folder-problems.ts';
import { look, type Folder, type Found } from './look.ts';
import type { OwnDeliveries } from './own-deliveries.ts';
import { scan } from './scan.ts';
import type { WatchRules } from './watch-rules.ts';

/** Looking through a folder takes at most this part of the time. */
const SHARE_OF_TIME = 10;
/** What was put into jobs and is not there any more is forgotten this often, in ms, so many at once. */
const FORGET_EVERY_MS = 3_600_000;
const FORGET_AT_ONCE = 256;
/** Files that are not there and may be on a disk that is away are remembered up to so many: some 150 MB of the database. */
const MAX_ABSENT = 1_000_000;

export interface FolderScanOptions {
  readonly watch: Watch;
  /** The same, as it is looked at. */
  readonly place: Folder;
  readonly store: WatchStore;
  readonly rules: WatchRules;
  readonly problems: FolderProblems;
  readonly ownDeliveries: OwnDeliveries;
  readonly rescanMs: number;
  /** A folder is about to be looked into; awaited. */
  readonly entered: (path: string) => Promise<void>;
  /** All is about to be looked through. */
  readonly begun: () => void;
  /** Takes what was found, and waits while it has no room. */
  readonly take: (found: readonly Found[], signal: AbortSignal) => Promise<void>;
  /** Whether what is not there was removed, and recipients are to remove it too. */
  readonly mirrors: () => boolean;
  /** All was looked through. */
  readonly done: () => void;
}

/** Looks through a watched folder now and then, and through what is in it by then. */
export class FolderScan {
  readonly #options: FolderScanOptions;
  readonly #folders = new Set<string>();
  #wholeAtMs = -Infinity;
  #forgetAtMs = now() + FORGET_EVERY_MS;
  #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: FolderScanOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** When there is something to look through, by the clock of `now`. */
  get nextMs(): number {
    if (this.isRunning) return Infinity;
    return this.#folders.size > 0 ? -Infinity : this.#wholeAtMs;
  }

  /** All is to be looked through, in so long at the latest. */
  soon(ms: number): void {
    this.#wholeAtMs = Math.min(this.#wholeAtMs, now() + ms);
  }

  /** A folder below is to be looked through. */
  into(path: string): void {
    this.#folders.add(path);
  }

  /** Begins, if it is time to. @param attempt does it, and never rejects */
  begin(attempt: (work: () => Promise<void>) => Promise<void>): void {
    if (now() < this.nextMs) return;
    const isWhole = now() >= this.#wholeAtMs;
    const below = isWhole ? [''] : [...this.#folders];
    this.#folders.clear();
    const { signal } = this.#stop;
    const work = (): Promise<void> => (isWhole ? this.#whole(signal) : this.#some(below, signal));
    this.#running = attempt(work).finally(() => (this.#running = undefined));
  }

  /** Ends what runs; what is begun then looks through all, at once. */
  async restart(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#stop = new AbortController();
    this.#folders.clear();
    this.#wholeAtMs = -Infinity;
  }

  async #whole(signal: AbortSignal): Promise<void> {
    const { rules, rescanMs, begun, done, mirrors } = this.#options;
    const beganAt = now();
    this.#wholeAtMs = Infinity;
    rules.refresh();
    begun();
    try {
      await this.#some([''], signal);
      if (signal.aborted) return;
      if (mirrors() || now() >= this.#forgetAtMs) await this.forgetRemoved(signal);
      done();
    } finally {
      this.soon(Math.max(rescanMs, (now() - beganAt) * SHARE_OF_TIME));
    }
  }

  async #some(below: readonly string[], signal: AbortSignal): Promise<void> {
    const { place, rules, problems, ownDeliveries, take, entered } = this.#options;
    for (const path of below) {
      if (path !== '' && (rules.hides(path, true) || ownDeliveries.isInCopy(path))) continue;
      problems.beginScan();
      const failed = problems.note.bind(problems);
      const refusal = ownDeliveries.refusal.bind(ownDeliveries);
      const options = { folder: place, rules, below: path, signal, refusal, entered, failed };
      for await (const found of scan(options)) {
        if (signal.aborted) return;
        await take(found, signal);
      }
      if (!signal.aborted) problems.endScan(path);
    }
  }

  /**
   * Forgets files that were removed. A path that is not there proves nothing: the disk that it is on may not be mounted, or
   * another one in its place. A folder that still has one of its other files, as it was shipped, is the same folder. Of a
   * folder that another program empties there is never such a file: what is remembered of it is limited in number.
   *
   * Of a watch that mirrors, what is not there was removed: its recipients are to hear of it.
   */
  async forgetRemoved(signal: AbortSignal, maxAbsent = MAX_ABSENT): Promise<void> {
    const { watch, place, store, mirrors } = this.#options;
    this.#forgetAtMs = now() + FORGET_EVERY_MS;
    let absent = 0;
    for (let last = ''; !signal.aborted;) {
      const page = store.files.page(watch.id, last, FORGET_AT_ONCE);
      const looks = await Promise.all(page.map(({ path }) => look(place, path)));
      // Asked once they were looked for: what was there before may have been unmounted meanwhile.
      const isMirrored = mirrors();
      const known = new Set<string>();
      page.forEach(({ path, version }, n) => {
        const there = looks[n];
        if (there !== undefined && 'version' in there && there.kind === 'file' && there.version === version)
          known.add(dirname(path));
      });
      const gone = page.filter(({ path }, n) => {
        if (looks[n] !== undefined) return false;
        return isMirrored || known.has(dirname(path)) || ++absent > maxAbsent;
      });
      if (gone.length > 0 && isMirrored) store.noticeRemoved(watch.id, gone);
      else if (gone.length > 0) store.files.forget(watch.id, gone);
      const end = page.at(-1);
      if (end === undefined) return;
      last = end.path;
    }
  }
}

/** Pauses must not last for days because somebody set the clock back. */
function now(): number {
  return performance.now();
}
