import { FilerError } from '@filer/protocol';
import { NO_COUNTS, type DeliveryCounts } from '../api/contract/counts.ts';
import type { FailedFile } from '../store/job-rows.ts';
import type { VerifiedBefore } from './verified-before.ts';

/** Failures of one recipient that are kept by name; the others are counted. */
const MAX_KEPT_FAILURES = 1_000;

/** So much went, and more than can have gone for nothing: it gets on, however often it is lost. */
const STEP_BYTES = 16 * 1024 * 1024;

/**
 * Content counts as progress up to so many times of what there is to send: a receiver that lost its parts needs it again, and one that
 * takes content and closes the connection each time must not keep a send running without an end.
 */
const MAX_TIMES_SENT = 10;

/** Of folders, files that are known by their paths when they are told again; of a larger folder the others are counted. */
const MAX_KNOWN_PATHS = 10_000;

/** Counts the outcomes of files for one recipient, over several connections: nothing twice. */
export class DeliveryTally {
  readonly #before: VerifiedBefore;
  readonly #named: FailedFile[] = [];
  /** Of what is in folders, on the last connection: the next one tries it again. */
  #inFolders: FailedFile[] = [];
  #namedFailed = 0;
  #inFoldersFailed = 0;
  /** What was delivered or there of what is in folders: on the next connection it is there already. */
  #settledInFolders: number;
  /** Of them, those whose paths are known: receipts may be lost in the middle, so that the others are not the first ones. */
  readonly #knownInFolders = new Set<string>();
  #toldAgain = 0;
  #sent = 0;
  #skipped = 0;
  #kept = 0;
  #leftOut = 0;
  /** Links that were told about, over all connections. */
  #leftOutTold = 0;
  #bytesSent = 0;
  #bytesOnTheWay = 0;
  #bytesTotal: number;

  constructor(before: VerifiedBefore, bytesTotal: number) {
    this.#before = before;
    this.#settledInFolders = before.filesInFolders;
    this.#bytesTotal = bytesTotal;
  }

  get counts(): DeliveryCounts {
    const own = this.ownCounts;
    return { ...own, filesSent: own.filesSent + this.#before.files };
  }

  get ownCounts(): DeliveryCounts {
    return {
      ...NO_COUNTS,
      filesSent: this.#sent,
      filesSkipped: this.#skipped,
      filesKept: this.#kept,
      filesFailed: this.#namedFailed + this.#inFoldersFailed,
      linksLeftOut: this.#leftOut,
      bytesSent: this.#bytesSent + this.#bytesOnTheWay,
      bytesTotal: this.#bytesTotal,
    };
  }

  /** Grows while the delivery gets on over several connections. */
  get steps(): number {
    const { filesSent, bytesSent, bytesTotal } = this.ownCounts;
    return filesSent + Math.floor(Math.min(bytesSent, MAX_TIMES_SENT * bytesTotal) / STEP_BYTES);
  }

  get failures(): readonly FailedFile[] {
    return [...this.#named, ...this.#inFolders].slice(0, MAX_KEPT_FAILURES);
  }

  beginConnection(): void {
    this.#inFolders = [];
    this.#inFoldersFailed = 0;
    this.#leftOut = 0;
    this.#toldAgain = this.#settledInFolders - this.#knownInFolders.size;
  }

  onTheWay(bytesSent: number, bytesTotal: number): void {
    this.#bytesOnTheWay = bytesSent;
    this.#bytesTotal = Math.max(this.#bytesTotal, bytesTotal);
  }

  endConnection(bytesSent: number, bytesTotal: number): void {
    this.#bytesOnTheWay = 0;
    this.#bytesSent += bytesSent;
    this.#bytesTotal = Math.max(this.#bytesTotal, bytesTotal);
  }

  /** @returns whether it is news: false for what was counted before a connection was lost */
  settled(path: string, status: 'delivered' | 'skipped', isNamed: boolean, isKept: boolean): boolean {
    if (!isNamed && status === 'skipped') {
      if (this.#knownInFolders.has(path)) return false;
      if (this.#toldAgain > 0) {
        this.#toldAgain--;
        return false;
      }
    }
    if (!isNamed) {
      this.#settledInFolders++;
      if (this.#knownInFolders.size < MAX_KNOWN_PATHS) this.#knownInFolders.add(path);
    }
    if (status === 'delivered') this.#sent++;
    else this.#skipped++;
    if (isKept) this.#kept++;
    return true;
  }

  /** A link is not sent. @returns whether it is news: a new connection finds the same ones again */
  leftOut(): boolean {
    this.#leftOut++;
    if (this.#leftOut <= this.#leftOutTold) return false;
    this.#leftOutTold++;
    return true;
  }

  failed(file: FailedFile, isNamed: boolean): void {
    const kept = isNamed ? this.#named : this.#inFolders;
    if (kept.length < MAX_KEPT_FAILURES) kept.push(file);
    if (isNamed) this.#namedFailed++;
    else this.#inFoldersFailed++;
  }

  /** @returns why not all was delivered, after the last connection; or undefined */
  failure(): FilerError | undefined {
    const [first] = this.failures;
    if (first === undefined) return undefined;
    const { filesSent, filesSkipped, filesFailed } = this.counts;
    const arrived = filesSent + filesSkipped;
    if (arrived === 0) return new FilerError(first.code, first.message);
    return new FilerError('partial', `${filesFailed} of ${filesFailed + arrived} files failed`);
  }
}
