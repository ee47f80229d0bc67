import {
  FilerError,
  MAX_CONTENT_BYTES,
  parseJson,
  parseReceiptBatch,
  type ReceiptBatch,
} from '@filer/protocol';

/** A batch of receipts as it was kept; undefined when the database holds something else in its place. */
export function readKeptBatch(document: string): ReceiptBatch | undefined {
  try {
    return parseReceiptBatch(parseJson(Buffer.from(document), 'a kept receipt', MAX_CONTENT_BYTES));
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return undefined;
  }
}
