import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { cleanMarkedParts, dropMarkedParts } from '@filer/transfer';

/*
 * Files that come half are hidden: those that the next try continues with in the folder of the collect, the others in that
 * of their run. Both say in their names which machine and which run they are of.
 *
 *   .filer-part-kept-collect-MARK-…   DIR/
 *   .filer-part-collect-MARK-…        DIR/<machine>/<run>/
 */
const PREFIX = 'collect-';
const MARK = /^collect-[0-9a-f]{16}-/;

/** The files of one run that came into one folder of a machine. */
export interface RunFolder {
  /** Of the machine, below the folder of the collect. */
  readonly folder: string;
  /** The run's. */
  readonly label: string;
}

/** Of a run, by its id, and a machine. */
export function markOf(run: string, peer: string): string {
  return `${PREFIX}${createHash('sha256').update(`${run}/${peer}`).digest('hex').slice(0, 16)}-`;
}

/** Removes what an earlier try left and this one cannot continue with. */
export async function cleanBefore(
  root: string,
  { folder, label }: RunFolder,
  mark: string,
  now: number,
): Promise<void> {
  await cleanMarkedParts(root, mark, now);
  await cleanMarkedParts(join(root, folder, label), mark, now);
}

/**
 * Removes what came half of deliveries that no one continues with. Never rejects.
 *
 * @param folders of theirs; nothing comes there now
 * @param isUseless whether that holds for what is kept with this mark
 */
export async function dropParts(
  root: string,
  folders: readonly RunFolder[],
  isUseless: (mark: string) => boolean,
): Promise<void> {
  await dropMarkedParts(root, (marked) => {
    const mark = MARK.exec(marked)?.[0];
    return mark !== undefined && isUseless(mark);
  });
  for (const { folder, label } of folders)
    await dropMarkedParts(join(root, folder, label), (marked) => MARK.test(marked));
}
