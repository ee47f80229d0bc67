import { FilerError, messageOf, systemCode } from '@filer/protocol';

/** An error of the file system about a file that comes in, as ours. @param name for people */
export function writeError(name: string, cause: unknown): FilerError {
  const code = systemCode(cause);
  if (code === undefined) throw cause; // a bug of ours
  const what = JSON.stringify(name);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new FilerError(
      'no-space',
      `the receiver has no space left for ${what}: free some there and send again`,
      {
        cause,
      },
    );
  }
  return new FilerError('home-not-writable', `the receiver cannot write ${what} (${messageOf(cause)})`, {
    cause,
  });
}
