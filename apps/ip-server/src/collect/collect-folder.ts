import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
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

/** Whether the folder answers, even where nothing can be written there. */
export async function answersNow(folder: string): Promise<boolean> {
  return (await lookAt(folder, () => writesIn(folder))) !== NO_ANSWER;
}

/**
 * Whether something is at one of these paths.
 *
 * @param label asked about by one look at a time
 * @returns undefined when the folder does not answer within some seconds
 */
export async function isTaken(
  folder: string,
  label: string,
  paths: readonly string[],
): Promise<boolean | undefined> {
  const answer = await lookAt(join(folder, label), async () => {
    for (const path of paths) if (await isThere(join(folder, path))) return 'taken';
    return '';
  });
  return answer === NO_ANSWER ? undefined : answer === 'taken';
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
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
