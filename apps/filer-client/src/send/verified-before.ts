import type { ReceiptStore } from '../store/receipt-store.ts';
import { readKeptBatch } from '../jobs/kept-batch.ts';

/** What earlier runs of a job have brought to a recipient, by its receipts. */
export interface VerifiedBefore {
  readonly files: number;
  /** Of them, those that lie in folders that were named: they are there already when their folder goes again. */
  readonly filesInFolders: number;
  /** Those that were named themselves: they need not go again. */
  readonly paths: ReadonlySet<string>;
}

/** @param named the paths that the job was made with */
export function verifiedBefore(
  receipts: ReceiptStore,
  job: string,
  peer: string,
  named: readonly string[],
): VerifiedBefore {
  const wanted = new Set(named);
  const paths = new Set<string>();
  let files = 0;
  let filesInFolders = 0;
  for (const { document, paths: here = [] } of receipts.of(job, peer)) {
    readKeptBatch(document)?.files.forEach(({ present }, n) => {
      const path = here[n];
      // What was there already is looked at again.
      if (path === undefined || present === true || paths.has(path)) return;
      files++;
      if (wanted.has(path)) paths.add(path);
      else filesInFolders++;
    });
  }
  return { files, filesInFolders, paths };
}
