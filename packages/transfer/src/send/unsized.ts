import { closeSync, openSync, readSync } from 'node:fs';
import { FilerError } from '@filer/protocol';

/*
 * Files of the kernel and of some mounts (procfs, sysfs, FUSE) state a size that is not what reading them gives. They
 * are refused: what is announced, compared and signed for is a file of a known size.
 */

/** What is beyond the stated end is read here, and not kept. */
const BEYOND = Buffer.allocUnsafeSlow(1);

/** Whether a file ends where its size says, or before. @throws a system error */
export function endsAt(descriptor: number, size: number): boolean {
  return readSync(descriptor, BEYOND, 0, 1, size) === 0;
}

/** The same for a file that states that it is empty. @param flags to open it with @throws a system error */
export function isEmpty(path: string, flags: number): boolean {
  const descriptor = openSync(path, flags);
  try {
    return endsAt(descriptor, 0);
  } finally {
    closeSync(descriptor);
  }
}

export function unsized(file: string): FilerError {
  return new FilerError(
    'path-unsupported',
    `${JSON.stringify(file.toWellFormed())} holds more or fewer bytes than its size says: send a copy of what it holds, for example with \`send - --as NAME < FILE\``,
  );
}
