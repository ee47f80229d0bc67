import { closeSync, openSync, readSync } from 'node:fs';
import { FilerError } from '@filer/protocol';

/*
 * Files of the kernel and of some mounts (procfs, sysfs, FUSE) state a size that is not what reading them gives. They
 * are read whole, at one moment, since nothing tells how far such a file reaches, nor whether it has changed.
 */

/** Such a file is held in memory; a larger one has to be copied by its user. */
const MAX_UNSIZED_BYTES = 16 * 1024 * 1024;

const PIECE_BYTES = 64 * 1024;

/** What lies beyond the stated end is read here, and not kept. */
const BEYOND = Buffer.allocUnsafeSlow(1);

/** Whether a file ends where its size says, or before. @throws a system error */
export function endsAt(descriptor: number, size: number): boolean {
  return readSync(descriptor, BEYOND, 0, 1, size) === 0;
}

/**
 * Reads a file from where its descriptor stands to its end, whatever its size says.
 *
 * @param file for messages
 * @throws FilerError `path-unsupported` beyond `MAX_UNSIZED_BYTES`; a system error
 */
export function readToEnd(descriptor: number, file: string): Buffer {
  const pieces: Buffer[] = [];
  for (let bytes = 0; bytes <= MAX_UNSIZED_BYTES;) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    // From where it stands: some of these files cannot be read at a position.
    const read = readSync(descriptor, piece, 0, PIECE_BYTES, null);
    if (read === 0) return Buffer.concat(pieces, bytes);
    pieces.push(piece.subarray(0, read));
    bytes += read;
  }
  throw new FilerError(
    'path-unsupported',
    `${JSON.stringify(file.toWellFormed())} holds another number of bytes than its size says, and more than ${MAX_UNSIZED_BYTES}: copy what it holds into a file, and send that`,
  );
}

/** All that a file holds, whatever its size says. @param flags to open it with @throws as `readToEnd` */
export function readWhole(path: string, flags: number, file: string): Buffer {
  const descriptor = openSync(path, flags);
  try {
    return readToEnd(descriptor, file);
  } finally {
    closeSync(descriptor);
  }
}
