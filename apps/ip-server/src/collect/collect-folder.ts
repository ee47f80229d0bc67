import { access, mkdir } from 'node:fs/promises';
import { FilerError, messageOf, systemCode } from '@filer/protocol';
import { lookAt, NO_ANSWER } from '../uploads/folder-look.ts';

/** Whether what a collect brings can be written now. @throws FilerError `home-not-writable`, within some seconds */
export async function requireFolder(folder: string): Promise<void> {
  const answer = await lookAt(folder, () => writesIn(folder));
  if (answer === '') return;
  const isGone = answer instanceof Error && systemCode(answer) === 'ENOENT';
  const why = answer instanceof Error ? messageOf(answer) : NO_ANSWER;
  throw new FilerError(
    'home-not-writable',
    isGone
      ? // A disk that is not mounted, say: what is made in its place would fill another one.
        'the folder of the collect is not there on the server: make it again'
      : `the folder of the collect cannot be used on the server (${why}): it is tried again`,
  );
}

async function writesIn(folder: string): Promise<string | Error> {
  try {
    await access(folder);
    // Reads may be answered while what writes waits: it is there, so nothing is made.
    await mkdir(folder);
  } catch (error) {
    if (!(error instanceof Error) || systemCode(error) === undefined) throw error;
    return systemCode(error) === 'EEXIST' ? '' : error;
  }
  return '';
}
