import { FilerError } from '@filer/protocol';
import { cleanParts } from '@filer/transfer';
import {
  MEASURES,
  type AttachmentStore,
  type Measure,
  type Upload,
  type UploadKey,
} from '../store/attachment-store.ts';
import type { AttachmentFolders } from './attachment-folders.ts';

/** Files whose report never comes are kept so long, in ms: as long as a file that came half. */
const UNREPORTED_MS = 7 * 24 * 3_600_000;

/** Removed in one go; then others have their turn. */
const AT_ONCE = 100;

/** Room is made before there is none: files take at most this share of their space when room was made. */
const FILLED = 0.9;

export interface AttachmentRoomParts {
  readonly store: AttachmentStore;
  readonly folders: AttachmentFolders;
  /** What all files together may take. */
  readonly space: Readonly<Record<Measure, number>>;
  /** What the disk can still take. */
  readonly disk: () => Readonly<Record<Measure, number>>;
  /** Whether files of a report come now. */
  readonly isBusy: (key: UploadKey) => boolean;
  /** Ends that they come. */
  readonly cut: (key: UploadKey) => Promise<void>;
  /** Now, in ms since the epoch, as ages are judged. */
  readonly now: () => number;
}

/** Who has brought files that found no room. */
export interface Wanted {
  readonly peer: string;
  /** As it says. */
  readonly bytes: number;
  readonly files: number;
}

/** Keeps files of reports as long as they are wanted, and within their space. */
export class AttachmentRoom {
  readonly #parts: AttachmentRoomParts;
  #cleanedAt = -Infinity;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(parts: AttachmentRoomParts) {
    this.#parts = parts;
  }

  /**
   * Removes files of reports that have gone, files whose report never came, and, where there is too much, the oldest
   * files of the machine that has most. One after the other.
   *
   * @param wanted room for what would not fit beside what is usually left: its own machine makes it, and those that
   *   have more than that machine would have then
   * @throws FilerError of the store or the disk; what is left is removed the next time
   */
  sweep(wanted?: Wanted): Promise<void> {
    const swept = this.#running.then(() => this.#sweep(wanted));
    this.#running = swept.catch(() => undefined);
    return swept;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #sweep(wanted: Wanted | undefined): Promise<void> {
    const { store, now } = this.#parts;
    await this.#cleanFolders();
    for (const upload of await store.openSince(now() - UNREPORTED_MS, AT_ONCE)) await this.settle(upload);
    await this.#removeGone();
    for (const measure of MEASURES) await this.#makeRoom(measure, wanted);
  }

  /**
   * Makes room within what files may take, and, for somebody who found none, on the disk: where the disk is full, no one's own
   * files make room for his next ones.
   */
  async #makeRoom(measure: Measure, wanted: Wanted | undefined): Promise<void> {
    const { store, space, disk, cut } = this.#parts;
    const usual = space[measure] * FILLED;
    const canFit = wanted !== undefined && wanted[measure] <= space[measure];
    const limit = canFit ? Math.min(usual, space[measure] - wanted[measure]) : usual;
    const total = await store.amount(measure);
    const lacking = canFit ? Math.max(0, wanted[measure] - disk()[measure]) : 0;
    for (let left = total; !this.#closed;) {
      const isDiskFull = left > total - lacking;
      if (left <= limit && !isDiskFull) break;
      const heaviest = await store.heaviest(measure);
      if (heaviest === undefined) break;
      const isOther = heaviest.peer !== wanted?.peer;
      const wouldHave =
        wanted === undefined ? 0 : (await store.amountOf(measure, wanted.peer)) + wanted[measure];
      if (left <= usual && (isOther ? heaviest.amount <= wouldHave : left <= limit)) break;
      const uploads = await store.oldestOf(heaviest.peer, AT_ONCE);
      // Who has most holds no one else's files up by bringing more without end.
      const busiest = wanted !== undefined && isOther ? uploads[0] : undefined;
      const oldest = uploads.find((upload) => !this.#parts.isBusy(upload)) ?? busiest;
      if (oldest === undefined) break;
      await cut(oldest);
      await store.giveUp(oldest);
      left -= oldest[measure];
      await this.#removeGone();
    }
  }

  async #removeGone(): Promise<void> {
    const { store } = this.#parts;
    for (let more = true; more && !this.#closed;) {
      const gone = await store.gone(AT_ONCE);
      more = gone.length === AT_ONCE;
      for (const upload of gone) await this.#remove(upload);
    }
  }

  /** Ends the waiting for a report: its files go, unless it is stored and that could not be noted, or more come now. */
  async settle(upload: Upload): Promise<void> {
    const { store } = this.#parts;
    if (await store.hasReport(upload)) await store.reported(upload);
    else await this.#remove(upload);
  }

  async #remove(upload: Upload): Promise<void> {
    const { store, folders, isBusy } = this.#parts;
    if (isBusy(upload)) return;
    await folders.remove(upload);
    await store.forget(upload);
  }

  /** Now and then: half files, and folders that the store knows nothing of, as after it was restored from a backup. */
  async #cleanFolders(): Promise<void> {
    const { store, folders, now, isBusy } = this.#parts;
    if (now() - this.#cleanedAt < 24 * 3_600_000) return;
    this.#cleanedAt = now();
    await cleanParts(folders.root, { now: now() });
    for await (const key of folders.untouchedSince(now() - UNREPORTED_MS)) {
      if (this.#closed) return;
      if ((await store.find(key)) === undefined && !isBusy(key)) await folders.remove(key);
    }
  }
}

/** Why nothing more is taken: in the words of the server's owner. */
export function noRoomForAttachments(spaceBytes: number): FilerError {
  return new FilerError(
    'no-space',
    `attachments of reports are not taken: their disk is full, or they take the ${spaceBytes} bytes of attachment-space; the machines keep them meanwhile`,
  );
}
