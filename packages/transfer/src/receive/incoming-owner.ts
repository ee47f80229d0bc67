import type { EntryFailure, Got, ReceiptFile } from '@filer/protocol';
import type { FileResult } from '../wire/outcome.ts';

/** Who is told the outcome of each file. */
export interface IncomingOwner {
  started(entry: number, name: string, size: number): void;
  /** The sender is to know how far its file was taken. */
  got(got: Got): void;
  progress(entry: number, name: string, fileBytes: number, fileSize: number): void;
  /** A file is in place: the owner notes it and gives the receipt. @param isCopy it did not travel, and is new at its path all the same */
  inPlace(file: ReceiptFile, isCopy?: boolean): Promise<void>;
  /** A file was there, and is noted: the owner gives the receipt. */
  wasThere(file: ReceiptFile): void;
  /** The same for those of one batch of entries, in one go. */
  wereThere(files: readonly ReceiptFile[]): void;
  /** The sender is to know that this file, and no other, cannot be taken. */
  failed(failure: EntryFailure): void;
  /** The last word about one file, for this side. */
  result(result: FileResult): void;
  /** Follows work that continues beside the conversation. Never rejects. */
  follow(work: Promise<void>): Promise<void>;
}
