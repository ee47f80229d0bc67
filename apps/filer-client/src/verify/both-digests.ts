import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { messageOf, systemCode } from '@filer/protocol';
import { FileDigests } from '@filer/transfer';

/** A file as it is now. */
export interface BothDigests {
  /** `blake3:HEX`, or empty when it could not be read. */
  readonly blake3: string;
  /** Hex. */
  readonly sha256: string;
  /** Why it could not be read. */
  readonly why?: string;
}

const READ_BYTES = 1024 * 1024;

/** Reads a file once for both digests: what one of them proves holds for the other. */
export async function bothDigests(path: string, signal: AbortSignal): Promise<BothDigests> {
  const blake3 = new FileDigests();
  const sha256 = createHash('sha256');
  try {
    for await (const piece of createReadStream(path, { highWaterMark: READ_BYTES, signal })) {
      const bytes = piece as Buffer;
      blake3.update(bytes);
      sha256.update(bytes);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (systemCode(error) === undefined) throw error;
    return { blake3: '', sha256: '', why: messageOf(error) };
  }
  return { blake3: blake3.finish().digest, sha256: sha256.digest('hex') };
}
