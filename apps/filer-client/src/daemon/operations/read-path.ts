import { isAbsolute } from 'node:path';
import { FilerError, textOf } from '@filer/protocol';

/** A path of this machine, as a command resolved it. @throws FilerError `usage`, `message-malformed` */
export function readPath(value: unknown, what: string): string {
  const path = textOf(value, what, { max: 16_384 });
  if (!isAbsolute(path)) throw new FilerError('usage', `${what} is not an absolute path`);
  return path;
}
