import { formatBytes, printable } from '@filer/program';
import type { ReceiptTold } from '../jobs/send-events.ts';

/** What a recipient has of one folder that a person named. */
interface FolderSum {
  readonly recipient: string;
  readonly receivedAs: string;
  files: number;
  bytes: number;
  isSynced: boolean;
}

/**
 * Receipts as lines for people: one for each path that was named, a folder's summed up once it is there. A file in a
 * folder that got another name than it has here is told by itself.
 */
export class ReceiptLines {
  readonly #paths: ReadonlySet<string>;
  readonly #sums = new Map<string, FolderSum>();

  /** @param paths as they were named, absolute */
  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  /** @returns the line to print at once, if there is one */
  add(receipt: ReceiptTold): string | undefined {
    const { recipient, path, receivedAs, size, synced } = receipt;
    const folder = this.#folderOf(path);
    if (folder === undefined) return lineOf(receipt);
    const tail = path.slice(folder.length);
    if (!receivedAs.endsWith(tail)) return lineOf(receipt);
    const key = `${recipient}\0${folder}`;
    const receivedFolder = receivedAs.slice(0, -tail.length);
    const sum = this.#sums.get(key) ?? {
      recipient,
      receivedAs: receivedFolder,
      files: 0,
      bytes: 0,
      isSynced: true,
    };
    this.#sums.set(key, sum);
    sum.files++;
    sum.bytes += size;
    sum.isSynced &&= synced;
    return undefined;
  }

  /** The named folder in which a file lies. Found by its own folders: a hundred thousand paths may have been named. */
  #folderOf(path: string): string | undefined {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end);
      if (this.#paths.has(folder)) return folder;
    }
    return undefined;
  }

  /** The lines of folders. */
  sums(): string[] {
    return [...this.#sums.values()].map(({ recipient, receivedAs, files, bytes, isSynced }) => {
      const count = files === 1 ? '1 file' : `${files} files`;
      return `${recipient} has ${printable(receivedAs)}/ (${count}, ${formatBytes(bytes)}, ${diskWords(isSynced)}), signed`;
    });
  }
}

function lineOf({ recipient, receivedAs, size, digest, synced, present }: ReceiptTold): string {
  const proof = `${digest.slice(0, 'blake3:'.length + 12)}…`;
  const has = present ? 'has already' : 'has';
  return `${recipient} ${has} ${printable(receivedAs)} (${formatBytes(size)}, ${proof}, ${diskWords(synced)}), signed`;
}

function diskWords(synced: boolean): string {
  return synced ? 'on disk' : 'not synced';
}
