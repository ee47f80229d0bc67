import { isAbsolute } from 'node:path';
import { FilerError } from '@filer/protocol';

/** A path of this machine, as a command resolved it. @throws FilerError `usage` */
export function requireAbsolute(path: string, what: string): string {
  if (!isAbsolute(path)) throw new FilerError('usage', `${what} is not an absolute path`);
  return path;
}
