import { createReadStream, fstatSync, statSync, writeSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import { FilerError, systemCode } from '@filer/protocol';

const DESCRIPTOR = 0;
const INSTEAD = 'pipe something into it, or name a file or a folder';

/**
 * Standard input as what it holds, to its end. Node gives an empty stream for what it does not know, such as a block
 * device or a folder.
 *
 * @param stdin as the command has it
 * @throws FilerError `path-unsupported` for what holds no bytes to read
 */
export function contentOf(stdin: NodeJS.ReadableStream): NodeJS.ReadableStream {
  if (stdin !== process.stdin) return stdin;
  const found = fstatSync(DESCRIPTOR);
  if (found.isBlockDevice()) return createReadStream('', { fd: DESCRIPTOR });
  if (found.isDirectory()) throw unsupported('is a folder');
  if ((found.isSocket() || found.isFIFO()) && !(stdin instanceof Socket))
    throw unsupported('is a socket without an end');
  if (isClosed(found)) throw unsupported('is closed');
  return stdin;
}

/** Node opens /dev/null to read and to write in the place of a closed standard input; a shell opens it only to read. */
function isClosed({ rdev }: Stats): boolean {
  try {
    if (rdev === 0 || rdev !== statSync('/dev/null').rdev) return false;
    writeSync(DESCRIPTOR, Buffer.alloc(0));
    return true;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return false;
  }
}

function unsupported(what: string): FilerError {
  return new FilerError('path-unsupported', `standard input ${what}: ${INSTEAD}`);
}
