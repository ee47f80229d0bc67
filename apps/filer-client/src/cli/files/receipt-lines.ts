import { formatBytes, printable } from '@filer/program';
import type { FolderTold, ReceiptTold } from '../../api/contract/send.ts';

/** Receipts as lines for people: one for each path that was named, a folder's once all of it is there. */
export class ReceiptLines {
  readonly #folders = new Map<string, FolderTold>();

  /** @returns the line to print at once */
  line({ recipient, receivedAs, size, digest, synced, present }: ReceiptTold): string {
    const proof = `${digest.slice(0, 'blake3:'.length + 12)}…`;
    const has = present ? 'has already' : 'has';
    return `${recipient} ${has} ${printable(receivedAs)} (${formatBytes(size)}, ${proof}, ${diskWords(synced)}), signed`;
  }

  /** What is told last of a folder counts. */
  folder(folder: FolderTold): void {
    this.#folders.set(`${folder.recipientId}\0${folder.receivedAs}\0${folder.path}`, folder);
  }

  /** The lines of folders. */
  sums(): string[] {
    return [...this.#folders.values()].map(({ recipient, receivedAs, files, bytes, synced }) => {
      const count = files === 1 ? '1 file' : `${files} files`;
      return `${recipient} has ${printable(receivedAs)}/ (${count}, ${formatBytes(bytes)}, ${diskWords(synced)}), signed`;
    });
  }
}

function diskWords(synced: boolean): string {
  return synced ? 'on disk' : 'not synced';
}
