import type { FolderTold, ReceiptTold, SendEvent } from '../api/contract/send.ts';

/** A sum that grows is told this often, in ms. */
const TELL_EVERY_MS = 200;

interface Sum {
  readonly recipient: string;
  readonly recipientId: string;
  readonly job: string;
  readonly path: string;
  readonly receivedAs: string;
  files: number;
  bytes: number;
  synced: boolean;
  isTold: boolean;
}

/**
 * Sums up what is told about single files, for who is shown one line for each path that was named: a folder's receipts
 * become one sum, told while it grows and at its end. Told by itself is what failed, what was named itself, and a file
 * that got another name than it has here.
 */
export class FolderSums {
  readonly #named: ReadonlySet<string>;
  readonly #tell: (event: SendEvent) => void;
  readonly #sums = new Map<string, Sum>();
  #toldAt = -Infinity;
  /** The folder of the path that came last, and the named one that it is in. */
  #parent: string | undefined;
  #folder: string | undefined;

  /** @param named the paths of the job, absolute */
  constructor(named: readonly string[], tell: (event: SendEvent) => void) {
    this.#named = new Set(named);
    this.#tell = tell;
  }

  take(event: SendEvent): void {
    if (event.type === 'file' && event.ok && event.reason !== 'link') return; // its receipt is counted
    if (event.type !== 'receipt' || !this.#add(event)) this.#tell(event);
    else if (performance.now() - this.#toldAt >= TELL_EVERY_MS) this.end();
  }

  /** Tells the sums that have grown. */
  end(): void {
    this.#toldAt = performance.now();
    for (const sum of this.#sums.values()) {
      if (sum.isTold) continue;
      sum.isTold = true;
      const { isTold: _, ...folder } = sum;
      this.#tell({ type: 'folder', ...folder } satisfies FolderTold);
    }
  }

  /** @returns whether it is part of a sum */
  #add({ job, recipient, recipientId, path, receivedAs, size, synced }: ReceiptTold): boolean {
    const folder = this.#folderOf(path);
    if (folder === undefined) return false;
    const tail = path.slice(folder.length);
    if (!receivedAs.endsWith(tail)) return false;
    const received = receivedAs.slice(0, -tail.length);
    const key = `${recipientId}\0${received}\0${folder}`;
    let sum = this.#sums.get(key);
    if (sum === undefined) {
      const about = { job, recipient, recipientId, path: folder, receivedAs: received };
      sum = { ...about, files: 0, bytes: 0, synced: true, isTold: false };
      this.#sums.set(key, sum);
    }
    sum.files++;
    sum.bytes += size;
    sum.synced &&= synced;
    sum.isTold = false;
    return true;
  }

  /** The named folder that a path is in. */
  #folderOf(path: string): string | undefined {
    if (this.#named.has(path)) return undefined;
    // As a rule it is beside the one before it.
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (parent !== this.#parent) [this.#parent, this.#folder] = [parent, this.#lookUp(path)];
    return this.#folder;
  }

  #lookUp(path: string): string | undefined {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const above = path.slice(0, end);
      if (this.#named.has(above)) return above;
    }
    return undefined;
  }
}
