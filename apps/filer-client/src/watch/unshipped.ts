import { FilerError } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Watch } from '../store/watch-store.ts';
import type { Member } from '../network/member.ts';
import type { Alarm } from './alarm.ts';
import { CancelledRemovals } from './cancelled-removals.ts';
import type { FolderProblems } from './folder-problems.ts';
import { look, type Folder, type Found } from './look.ts';
import { provesRemovals } from '../send/watched-root.ts';
import { openForWriting } from './open-writers.ts';
import type { OwnDeliveries } from './own-deliveries.ts';
import { StabilityTracker } from './stability-tracker.ts';
import type { Recipients } from './recipients.ts';
import { ship, type ShippingParts } from './shipping.ts';
import type { WatchProblems } from './watch-problems.ts';
import type { WatchOptions } from './watch-options.ts';
import { settleMsOf, type WatchRules } from './watch-rules.ts';

/** What is waited for at once; the looking waits while there is so much. */
const MAX_UNSHIPPED = 20_000;
/** Of files, and of the rows that they take: what is put into jobs at once, so that no one else waits for long. */
const MAX_BATCH = 10_000;
const MAX_ROWS = 50_000;

/** Looked at side by side. */
const LOOKS_AT_ONCE = 64;
/** What has settled waits for what still settles, so that it goes together: so many times the settle time. */
const GATHER_SETTLES = 2.5;
/** Room that was made is noticed after this at the latest, in ms. */
const ROOM_LOOK_MS = 1_000;

/** While no one is there to ship to, the targets are looked up again after this, in ms. */
const TARGETS_EVERY_MS = 1_000;

export interface UnshippedOptions {
  readonly watch: Watch;
  /** The same, as it is looked at. */
  readonly place: Folder;
  readonly options: WatchOptions;
  readonly parts: ShippingParts & { readonly member: Member };
  readonly recipients: Recipients;
  readonly rules: WatchRules;
  readonly troubles: WatchProblems;
  readonly problems: FolderProblems;
  readonly ownDeliveries: OwnDeliveries;
  readonly alarm: Alarm;
  readonly signal: AbortSignal;
  /** There is a folder, which may not be watched yet. */
  readonly onFolder: (folder: Found) => void;
  /** Something had no room: all is to be looked through again. */
  readonly onMissed: () => void;
}

/** What was found new or changed in a watched folder and is in no job yet: it settles, and then goes together. */
export class Unshipped {
  readonly #options: UnshippedOptions;
  readonly #settling = new StabilityTracker<Found>(MAX_UNSHIPPED);
  /** Settled. */
  readonly #ready = new Map<string, { readonly found: Found; readonly sinceMs: number }>();

  readonly #cancelled: CancelledRemovals;

  #heldUntilMs = -Infinity;

  constructor(options: UnshippedOptions) {
    this.#options = options;
    this.#cancelled = new CancelledRemovals(options.parts.member.watches.deliveries, options.watch.id);
  }

  get size(): number {
    return this.#settling.size + this.#ready.size;
  }

  /** Whether it is about to be looked at again anyway. */
  settles(path: string): boolean {
    return this.#settling.has(path);
  }

  /** When something is to be done, by the clock of `now`; undefined for not at all. */
  get nextMs(): number | undefined {
    if (this.#ready.size === 0) return this.#settling.nextMs;
    return Math.min(this.#settling.nextMs ?? Infinity, Math.max(this.#gatheredAtMs, this.#heldUntilMs));
  }

  clear(): void {
    this.#settling.clear();
    this.#ready.clear();
  }

  /** Looks at what may have settled. */
  lookAgain(): Promise<void> {
    return this.lookAt(this.#settling.due(now()));
  }

  /** Looks at some paths below the folder. */
  async lookAt(paths: readonly string[]): Promise<void> {
    const { place, rules, signal, problems, ownDeliveries } = this.#options;
    const { options, onFolder, onMissed } = this.#options;
    for (let at = 0; at < paths.length && !signal.aborted; at += LOOKS_AT_ONCE) {
      const some = paths.slice(at, at + LOOKS_AT_ONCE);
      const looks = await Promise.all(some.map((path) => look(place, path)));
      const found: Found[] = [];
      some.forEach((path, n) => {
        const there = looks[n];
        if (options.mirror && there === undefined && this.#isShipped(path)) onMissed();
        const each = there === undefined ? undefined : (ownDeliveries.refusal(path) ?? there);
        const isSent = each !== undefined && !rules.hides(path, 'kind' in each && each.kind === 'folder');
        if (!isSent) problems.gone(path);
        else if (each instanceof FilerError) problems.note(path, each);
        else problems.fine(path);
        if (!isSent || each instanceof FilerError) this.#settling.drop(path);
        else found.push(each);
      });
      for (const each of found) if (each.kind === 'folder') onFolder(each);
      for (const each of this.#news(found)) this.#take(each);
    }
  }

  #isShipped(path: string): boolean {
    const { watch, parts } = this.#options;
    return parts.member.watches.files.shippedVersions(watch.id, path).length > 0;
  }

  /** Takes what was found by looking through; waits while there is no room. */
  async takeAll(found: readonly Found[], signal: AbortSignal): Promise<void> {
    const { alarm } = this.#options;
    for (const each of this.#news(found)) {
      while (this.#isFullFor(each.path) && !signal.aborted) await alarm.next(ROOM_LOOK_MS);
      if (signal.aborted) return;
      this.#take(each);
    }
  }

  /** Puts what has settled into jobs, once nothing more is about to. @param isFinding whether more may be found any moment */
  async ship(isFinding: boolean): Promise<void> {
    const { watch, options, parts, troubles, ownDeliveries, alarm, signal } = this.#options;
    if (options.mirror) this.#cancelled.look();
    if (this.#ready.size === 0) {
      if (options.mirror && this.#settling.size === 0 && !isFinding) this.#shipRemovals();
      return;
    }
    const isAll = this.#settling.size === 0 && !isFinding;
    if (!isAll && this.#ready.size < MAX_BATCH && now() < this.#gatheredAtMs) return;
    const { recipients, lost } = this.#options.recipients.now();
    troubles.note('targets', lost[0]?.error.message);
    this.#heldUntilMs = recipients.length === 0 ? now() + TARGETS_EVERY_MS : -Infinity;
    if (recipients.length === 0) return;
    const most = Math.max(1, Math.min(MAX_BATCH, Math.floor(MAX_ROWS / this.#rowsOfOne(recipients))));
    const batch = [...this.#ready.values()].slice(0, most).map(({ found }) => found);
    // A recipient's receipt may have come after its file was found.
    const resting = ownDeliveries.without(await this.#resting(batch), parts.member.name);
    if (signal.aborted) return;
    ship(parts, watch, options, { recipients, lost }, resting);
    for (const found of batch)
      if (this.#ready.get(found.path)?.found === found) this.#ready.delete(found.path);
    alarm.ring();
  }

  /** Who is up to date but for what is gone gets a job that only removes. */
  #shipRemovals(): void {
    const { watch, options, parts, recipients } = this.#options;
    const { watches } = parts.member;
    const failed = new Set(watches.deliveries.failed(watch.id).map(({ peer }) => peer)); // theirs are tried again
    const owed = recipients.now().recipients.filter(({ id }) => {
      const removals = watches.owedRemovals(watch.id, id);
      if (removals === undefined || this.#cancelled.hold(id, removals)) return false;
      return !failed.has(id) && !watches.deliveries.isBehind(watch.id, id);
    });
    if (owed.length === 0 || !provesRemovals(watches, watch.id, watch.folder)) return;
    ship(parts, watch, options, { recipients: owed, lost: [] }, []);
  }

  /** What one file takes in the database: a row in the job of each who is behind, and one for each who must sign. */
  #rowsOfOne(recipients: readonly KnownPeer[]): number {
    const { watch, options, parts } = this.#options;
    const { watches } = parts.member;
    const behind = recipients.filter(({ id }) => watches.deliveries.isBehind(watch.id, id)).length;
    const isOwed = options.deleteAfter || options.moveTo !== undefined;
    return 1 + behind + (isOwed ? recipients.length : 0);
  }

  /** Those that are in no job as they are; the others are no longer waited for. */
  #news(found: readonly Found[]): Found[] {
    const { watch, parts, ownDeliveries } = this.#options;
    const news = ownDeliveries.without(
      parts.member.watches.files.unknown(watch.id, found),
      parts.member.name,
    );
    const isNew = new Set(news);
    for (const each of found) if (!isNew.has(each)) this.#settling.drop(each.path);
    return news;
  }

  #take(found: Found): void {
    const { options, alarm, onMissed } = this.#options;
    const { path, state } = found;
    if (this.#ready.get(path)?.found.state === state) return;
    this.#ready.delete(path);
    if (this.#isFullFor(path)) {
      onMissed();
      return;
    }
    alarm.ring();
    if (!this.#settling.see(path, found, state, settleMsOf(path, options.settleMs), now())) return;
    this.#ready.set(path, { found, sinceMs: now() });
  }

  #isFullFor(path: string): boolean {
    return !this.#settling.has(path) && this.size >= MAX_UNSHIPPED;
  }

  /** When what has settled goes, whatever still settles. */
  get #gatheredAtMs(): number {
    const [first] = this.#ready.values();
    return first === undefined ? Infinity : first.sinceMs + GATHER_SETTLES * this.#options.options.settleMs;
  }

  /** Those that are what they were, and that no one is writing to; the others settle again. */
  async #resting(batch: readonly Found[]): Promise<Found[]> {
    const resting: Found[] = [];
    for (let at = 0; at < batch.length; at += LOOKS_AT_ONCE) {
      const some = batch.slice(at, at + LOOKS_AT_ONCE);
      const looks = await Promise.all(some.map((found) => this.#isResting(found)));
      resting.push(...some.filter((_, n) => looks[n]));
    }
    const files = resting.filter(({ kind }) => kind === 'file');
    const busy = await openForWriting(new Map(files.map(({ path, inode }) => [path, inode])));
    for (const found of files) if (busy.has(found.path)) this.#unrest(found);
    return resting.filter(({ path }) => !busy.has(path));
  }

  async #isResting({ path, version }: Found): Promise<boolean> {
    const there = await look(this.#options.place, path);
    if (there === undefined || there instanceof FilerError) return false;
    if (there.version !== version) this.#unrest(there);
    return there.version === version;
  }

  #unrest(found: Found): void {
    const { path, state } = found;
    this.#settling.drop(path);
    this.#settling.see(path, found, state, settleMsOf(path, this.#options.options.settleMs), now());
  }
}

/** Pauses must not last for days because somebody set the clock back. */
function now(): number {
  return performance.now();
}
