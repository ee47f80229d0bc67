import { FilerError } from '@filer/protocol';
import { outOfPlace } from '../wire/ending.ts';
import type { ExistingFile } from './existing-digests.ts';
import type { Promised } from '../disk/free-space.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { Ownership } from './ownership.ts';
import type { FailedBy } from '../wire/outcome.ts';
import type { ResumeSlot } from '../disk/resume-store.ts';
import type { FileFacts } from './refresh-existing.ts';

/** Entries that may be asked for before the first of them begins: a sender keeps a few batches ahead. */
const MAX_AHEAD = 16_384;
/** Bytes of their names: four batches of the longest paths, which is what a sender keeps ahead. */
const MAX_AHEAD_NAME_BYTES = 16 * 1024 * 1024;

/** Files that `check` named for those entries, which may be skipped: 4 MB. One for each that a sender keeps ahead. */
const MAX_AHEAD_FILES = 8_192;

/** An entry that was asked for. */
export interface Wanted {
  readonly entry: number;
  readonly name: string;
  size: number;
  promised: Promised | undefined;
  /** Whether it was taken from what may come. */
  isCounted: boolean;
  /** Where its part is, if that may outlast a cut. */
  kept: ResumeSlot | undefined;
  /** What `check` named. */
  readonly files: readonly ExistingFile[];
  /** What it was like when it was announced. */
  readonly facts: FileFacts;
  hasOlder: boolean;
  /** Whether a block of it was not what its digest says: a second one fails it. */
  hadWrongBlock?: boolean;
  /** `lost`: its basis or a block is, and the sender may abandon it and begin it again. */
  state: 'ahead' | 'open' | 'lost' | 'committing' | 'abandoned' | 'failed';
  /** Why its stream was given up, until it begins again. */
  reason?: FilerError;
}

/** The entries that were asked for and are not settled; bounds what is asked for ahead of what comes. */
export class WantedEntries {
  readonly #owner: Pick<IncomingOwner, 'failed' | 'result'>;
  readonly #ownership: Pick<Ownership, 'compares' | 'compared'> | undefined;
  readonly #entries = new Map<number, Wanted>();
  #ahead = 0;
  #aheadNameBytes = 0;
  #aheadFiles = 0;

  /** @param ownership where `check` names files */
  constructor(
    owner: Pick<IncomingOwner, 'failed' | 'result'>,
    ownership?: Pick<Ownership, 'compares' | 'compared'>,
  ) {
    this.#owner = owner;
    this.#ownership = ownership;
  }

  /** @throws FilerError `unexpected-message` when so many more would be too far ahead */
  requireRoom(entries: number): void {
    if (this.#ahead + entries > MAX_AHEAD)
      throw outOfPlace(`announcing more than ${MAX_AHEAD} entries ahead`);
    if (this.#aheadNameBytes > MAX_AHEAD_NAME_BYTES)
      throw outOfPlace(`announcing names of more than ${MAX_AHEAD_NAME_BYTES} bytes ahead`);
  }

  /** How many more files `check` may name. */
  get filesLeft(): number {
    return Math.max(0, MAX_AHEAD_FILES - this.#aheadFiles);
  }

  /** How many were asked for and have not begun. */
  get ahead(): number {
    return this.#ahead;
  }

  /** Whether some were asked for and have not begun. */
  get isOwed(): boolean {
    return this.#ahead > 0;
  }

  /** The smallest number of an entry that is not settled. */
  get firstPending(): number {
    const [first] = this.#entries.keys();
    return first ?? Infinity;
  }

  /** It is asked for, ahead of all that has begun. */
  add(wanted: Wanted): void {
    this.#entries.set(wanted.entry, wanted);
    if (wanted.files.length > 0) this.#ownership?.compares(wanted.name);
    this.#ahead++;
    this.#aheadFiles += wanted.files.length;
    this.#aheadNameBytes += Buffer.byteLength(wanted.name);
  }

  get(entry: number): Wanted | undefined {
    return this.#entries.get(entry);
  }

  /** It begins, or needs not. */
  noLongerAhead(wanted: Wanted): void {
    if (wanted.files.length > 0) this.#ownership?.compared(wanted.name);
    this.#ahead--;
    this.#aheadFiles -= wanted.files.length;
    this.#aheadNameBytes -= Buffer.byteLength(wanted.name);
  }

  /** Nothing more is said of it. */
  forget({ entry }: Wanted): void {
    this.#entries.delete(entry);
  }

  /** What it held is free, and nothing more is said of it. */
  finish(wanted: Wanted): void {
    releaseAll(wanted);
    this.forget(wanted);
  }

  /** One file cannot be taken, the others can; its sender is told. @throws what is no FilerError */
  giveUp(wanted: Wanted, error: unknown): void {
    if (!(error instanceof FilerError)) throw error;
    this.#owner.failed({ entry: wanted.entry, code: error.code, message: error.message });
    this.fail(wanted, error, 'here');
  }

  /** It has failed; its sender knows. */
  fail(wanted: Wanted, { code, message }: FilerError = NOT_SENT, failedBy: FailedBy = 'peer'): void {
    releaseAll(wanted);
    wanted.state = 'failed';
    const { name, size } = wanted;
    this.#owner.result({ name, size, status: 'failed', code, message, failedBy });
  }

  /** Nothing more comes: what is not settled has failed. */
  failRest(reason: FilerError): void {
    for (const wanted of this.#entries.values()) {
      if (wanted.state === 'failed') continue;
      const failedBy = wanted.reason === undefined && reason !== NOT_SENT ? 'transfer' : 'peer';
      this.fail(wanted, wanted.reason ?? reason, failedBy);
    }
  }
}

export const NOT_SENT = new FilerError('internal', 'it was neither sent nor refused');

/** It takes no room any more. */
export function release(wanted: Wanted): void {
  wanted.promised?.release();
  wanted.promised = undefined;
}

/** The same, and its part's place is free for another transfer. */
function releaseAll(wanted: Wanted): void {
  release(wanted);
  wanted.kept?.release();
  wanted.kept = undefined;
}
