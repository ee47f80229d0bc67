import { join, relative } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { FilerError, isErrorCode, type ErrorCode } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { readKeptBatch } from '../jobs/kept-batch.ts';
import type { Member } from '../network/member.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { WatchDelivery } from '../store/watch-delivery-store.ts';
import type { SettledFile } from '../store/watch-file-store.ts';
import type { Watch } from '../store/watch-store.ts';
import { asideLedger, restoreAsides } from './asides.ts';
import { look } from './look.ts';
import { openForWriting } from './open-writers.ts';
import { dropOutdatedFailures } from './outdated-failures.ts';
import { putAway, type Parting } from './after-delivery.ts';
import { gatherFailed, type WatchJobs } from './shipping.ts';
import type { WatchOptions } from './watch-options.ts';

/** Files that are put away together: gone for everybody from the first to the last of them, and copies take time. */
const REMOVED_AT_ONCE = 200;
const MOVED_AT_ONCE = 20;

/** Why a recipient did not take something, where another day may bring another answer. */
const MAY_CHANGE: ReadonlySet<ErrorCode> = new Set([
  'refused',
  'no-space',
  'too-large',
  'home-not-writable',
  'verification-failed',
  'identity-changed',
  'internal',
]);

/** What failed so is tried again after this, in ms, doubled up to the longest. */
const RETRY_FIRST_MS = 60_000;
const RETRY_LONGEST_MS = 3_600_000;
/** However often its recipient comes and goes. */
const RETRY_LEAST_MS = 10_000;

/** What no one told about, a job that was cancelled or a file that could not be put away, is looked at this often, in ms. */
const LOOK_EVERY_MS = 10_000;

export interface AccountsParts {
  readonly member: Pick<Member, 'watches' | 'jobs' | 'jobFiles' | 'receipts'> & {
    readonly directory: { byId(id: string): Pick<KnownPeer, 'id' | 'name'> | undefined };
  };
  readonly jobs: WatchJobs;
  readonly log: Logger;
}

/** The results of a watch's jobs: counts, what is tried again, and files that may go because everyone has them. */
export class Accounts {
  readonly #parts: AccountsParts;
  readonly #watch: Watch;
  readonly #options: WatchOptions;
  #retryMs = RETRY_FIRST_MS;
  #retryAt: number | undefined;
  #retriedAtMs = -Infinity;
  #lookAtMs = -Infinity;
  /** Why a file cannot be put away. */
  #trouble: FilerError | undefined;
  /** Whether there may be something to put away: only then is the list of what is owed read, which may have a million files. */
  #mayPutAway = true;
  /** Why one that was being put away cannot get its name again. */
  #asideTrouble: FilerError | undefined;

  constructor(parts: AccountsParts, watch: Watch, options: WatchOptions) {
    this.#parts = parts;
    this.#watch = watch;
    this.#options = options;
  }

  /** Files that were being put away when this program died get their names again. */
  restoreLeft(): void {
    this.#asideTrouble = restoreAsides(this.#parts.member.watches, this.#watch.id);
  }

  /** When there is something to do, by the clock of the caller. */
  get nextMs(): number {
    return Math.min(this.#lookAtMs, this.#retryAt ?? Infinity);
  }

  /** Jobs may have ended. */
  jobsEnded(): void {
    this.#lookAtMs = -Infinity;
  }

  /** A peer came online, or connected to us: what failed for it is tried again, maybe it has another mind. */
  peerSeen(peerId: string): void {
    if (this.#retryAt === undefined) return;
    const { watches } = this.#parts.member;
    if (watches.deliveries.failed(this.#watch.id).some(({ peer }) => peer === peerId))
      this.#retryAt = Math.min(this.#retryAt, this.#retriedAtMs + RETRY_LEAST_MS);
  }

  /** Notes what has ended, and puts away what may go, if it is time to. @returns why something cannot be put away */
  async settle(nowMs: number, signal: AbortSignal): Promise<FilerError | undefined> {
    if (nowMs < this.nextMs) return this.#trouble ?? this.#asideTrouble;
    this.#lookAtMs = nowMs + LOOK_EVERY_MS;
    const { watches } = this.#parts.member;
    for (const delivery of watches.deliveries.ended(this.#watch.id)) {
      if (this.#putsAway) await this.#noteSigned(delivery);
      if (signal.aborted) return undefined;
      watches.deliveries.noteEnd(this.#watch.id, delivery, Date.now());
      if (delivery.state === 'delivered') this.#retryMs = RETRY_FIRST_MS;
    }
    const { links } = this.#options;
    await dropOutdatedFailures(this.#parts.member, { ...this.#watch, links }, signal);
    if (signal.aborted) return undefined;
    this.#retry(nowMs);
    if (this.#putsAway && this.#mayPutAway) this.#trouble = await this.#putAway(signal);
    this.restoreLeft();
    return this.#trouble ?? this.#asideTrouble;
  }

  get #putsAway(): boolean {
    return this.#options.deleteAfter || this.#options.moveTo !== undefined;
  }

  /** Whose receipts of a job came: they prove the files that it named, and no others. */
  async #noteSigned({ job, peer }: WatchDelivery): Promise<void> {
    const { member } = this.#parts;
    for (const { document, paths = [] } of member.receipts.of(job, peer)) {
      if (readKeptBatch(document) === undefined) continue;
      const below = paths.map((path) => relative(this.#watch.folder, path));
      member.watches.files.signed(this.#watch.id, job, peer, below);
      this.#mayPutAway = true;
      await turn();
    }
  }

  #retry(nowMs: number): void {
    const { member, jobs, log } = this.#parts;
    const failed = member.watches.deliveries.failed(this.#watch.id).filter((each) => this.#mayChange(each));
    if (failed.length === 0) {
      this.#retryAt = undefined;
      return;
    }
    this.#retryAt ??= nowMs + this.#retryMs;
    if (nowMs < this.#retryAt) return;
    this.#retriedAtMs = nowMs;
    this.#retryMs = Math.min(RETRY_LONGEST_MS, this.#retryMs * 2);
    this.#retryAt = nowMs + this.#retryMs;
    const idle = failed.filter(({ job }) => member.jobs.job(job)?.state !== 'running');
    const byPeer = Map.groupBy(idle, ({ peer }) => peer);
    for (const [peer, deliveries] of byPeer) {
      const [only, ...others] = deliveries;
      const known = member.directory.byId(peer);
      if (only === undefined || known === undefined) continue;
      const isOwn = others.length === 0 && member.jobs.deliveries(only.job).length === 1;
      log.info('failed files of a watched folder are tried again', {
        watch: this.#watch.name,
        job: only.job,
      });
      if (isOwn) jobs.retry(only.job, () => undefined);
      else gatherFailed(this.#parts, this.#watch, this.#options, known, deliveries);
    }
  }

  #mayChange({ job, peer, code }: WatchDelivery): boolean {
    const { jobs } = this.#parts.member;
    // Who was left out by a person stays so.
    if (jobs.deliveries(job).some(({ state }) => state === 'cancelled')) return false;
    if (code !== 'partial') return code !== null && isErrorCode(code) && MAY_CHANGE.has(code);
    return jobs.failures(job, peer).some((failure) => MAY_CHANGE.has(failure.code));
  }

  async #putAway(signal: AbortSignal): Promise<FilerError | undefined> {
    const { member, log } = this.#parts;
    const { watches } = member;
    const { name, id } = this.#watch;
    const atOnce = this.#options.moveTo === undefined ? REMOVED_AT_ONCE : MOVED_AT_ONCE;
    let trouble: FilerError | undefined;
    let left = 0;
    for (let last = ''; !signal.aborted;) {
      const files = watches.files.settled(id, last, atOnce);
      const partings = await this.#resting(files);
      left += files.length - partings.length;
      const results = await putAway(
        partings.map(({ parting }) => parting),
        signal,
        asideLedger(watches, id),
      );
      for (const [n, { file, parting }] of partings.entries()) {
        const isAway = results[n];
        if (isAway instanceof FilerError) {
          trouble ??= isAway;
          left++;
          continue;
        }
        // A file that has changed goes as it is now, and is owed for again.
        if (isAway === true) watches.files.wasPutAway(id, file);
        else watches.files.forget(id, [file]);
        const { path } = file;
        if (isAway === true)
          log.debug('a delivered file was removed or moved', {
            watch: name,
            path,
            to: parting.moveTo ?? null,
          });
      }
      if (files.length < atOnce) break;
      last = files.at(-1)?.path ?? '';
    }
    this.#mayPutAway = left > 0;
    return trouble;
  }

  /** Without those that somebody is about to write to: they stay where they are until that is over. */
  async #resting(
    files: readonly SettledFile[],
  ): Promise<{ readonly file: SettledFile; readonly parting: Parting }[]> {
    const { moveTo } = this.#options;
    const { folder } = this.#watch;
    const inodes = new Map<string, string>();
    for (const { path } of files) {
      const found = await look(this.#watch, path);
      if (found !== undefined && 'inode' in found) inodes.set(path, found.inode);
    }
    const busy = inodes.size === 0 ? new Set() : await openForWriting(inodes);
    return files
      .filter(({ path }) => !busy.has(path))
      .map((file) => {
        const { path, version } = file;
        const to = moveTo === undefined ? undefined : join(moveTo, path);
        return { file, parting: { file: join(folder, path), version, moveTo: to } };
      });
  }
}
