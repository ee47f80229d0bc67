import { messageOf } from '@filer/protocol';
import type { SendRequest } from '../jobs/send-request.ts';
import type { Watch } from '../store/watch-store.ts';
import { restoreAsides } from './asides.ts';
import { WatchedFolder, type WatchParts } from './watched-folder.ts';

/** How a watch stands that a daemon runs. */
export type WatchStanding = Pick<WatchedFolder, 'state' | 'reason' | 'unshipped'>;

/** The watched folders of a daemon. */
export class Watches implements AsyncDisposable {
  readonly #parts: WatchParts;
  readonly #folders = new Map<number, WatchedFolder>();
  /** Why a watch could not begin. */
  readonly #reasons = new Map<number, string>();

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** Begins with all that the database knows. @throws FilerError `store-damaged` */
  start(): void {
    const { member, log } = this.#parts;
    // Before any of them looks: a folder may have two watches.
    const trouble = restoreAsides(member.watches);
    if (trouble !== undefined) log.warn('files did not get their names back', { error: trouble });
    for (const watch of member.watches.all()) if (!this.#folders.has(watch.id)) void this.#begin(watch);
  }

  /** Begins with a new one. @throws FilerError `store-damaged` */
  async add(watch: Watch): Promise<void> {
    const folder = new WatchedFolder(watch, this.#parts);
    this.#folders.set(watch.id, folder);
    await folder.start();
  }

  /** Stops watching it. */
  async remove(id: number): Promise<void> {
    const folder = this.#folders.get(id);
    this.#folders.delete(id);
    this.#reasons.delete(id);
    await folder?.close();
  }

  get(id: number): WatchedFolder | undefined {
    return this.#folders.get(id);
  }

  /** How a watch stands, also one that could not begin. */
  standing(id: number): WatchStanding | undefined {
    const reason = this.#reasons.get(id);
    return reason === undefined ? this.#folders.get(id) : { state: 'failing', reason, unshipped: 0 };
  }

  /** A job serves no one any more, for now. */
  jobIdle({ watch }: SendRequest): void {
    this.#folders.get(watch)?.jobsEnded();
  }

  /** A peer came online, or connected to us. */
  peerSeen(peerId: string): void {
    for (const folder of this.#folders.values()) folder.peerSeen(peerId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#folders.values()].map((folder) => folder.close()));
  }

  /** Never rejects: a watch that cannot begin says why, and holds up no other. */
  async #begin(watch: Watch): Promise<void> {
    try {
      await this.add(watch);
    } catch (error) {
      this.#reasons.set(watch.id, messageOf(error));
      this.#parts.log.error('a folder cannot be watched', { watch: watch.name, error });
    }
  }
}
