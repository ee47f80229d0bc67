import { readdirSync, type BigIntStats } from 'node:fs';
import { FilerError } from '@filer/protocol';
import type { Folder } from '../disk/folder.ts';
import { removeTree } from '../disk/replacing.ts';
import { secondsOf } from '../disk/times.ts';
import { contentOfLink } from '../receive/deliveries.ts';
import { statsAt } from '../receive/existing-digests.ts';
import { linkAt } from '../receive/ownership.ts';
import { Breaths } from './breaths.ts';

/** One thing of a staged job. */
export interface StagedItem {
  readonly kind: 'file' | 'dir' | 'link';
  /** The digest of a file, the target of a link. */
  readonly content: string;
  readonly size: number;
  /** As it has it in the stage. */
  readonly mtimeNs: bigint;
}

interface Tidying {
  readonly find: (path: string) => StagedItem | undefined;
  readonly breaths: Breaths;
}

/**
 * Removes from a stage what was not signed for.
 *
 * @param entries that the job has
 * @throws FilerError `refused` where one of them is not there, or has changed
 */
export async function tidyStage(
  stage: Folder,
  tops: readonly string[],
  entries: number,
  find: Tidying['find'],
): Promise<void> {
  let found = 0;
  const of = { find, breaths: new Breaths() };
  for (const top of tops) found += await tidyIn(stage, top, '', of);
  if (found !== entries)
    throw new FilerError(
      'refused',
      `${entries - found} of what was staged are not there any more: stage it again`,
    );
}

async function tidyIn(folder: Folder, path: string, above: string, of: Tidying): Promise<number> {
  const slash = path.indexOf('/');
  if (slash > 0) {
    // Folders above a top are no part of the job.
    using inner = folder.enter(path.slice(0, slash));
    if (inner === undefined) return 0;
    return await tidyIn(inner, path.slice(slash + 1), join(above, path.slice(0, slash)), of);
  }
  const full = join(above, path);
  const there = statsAt(folder, path);
  const item = of.find(full);
  await of.breaths.take();
  if (there === undefined) return 0;
  if (item === undefined) {
    await removeTree(folder.at(path));
    return 0;
  }
  requireSame(folder, path, full, there, item);
  if (!there.isDirectory()) return 1;
  using inner = folder.enter(path);
  if (inner === undefined) return 0;
  let found = 1;
  for (const name of readdirSync(inner.at('.'))) found += await tidyIn(inner, name, full, of);
  return found;
}

/** @throws FilerError `refused` */
function requireSame(folder: Folder, name: string, path: string, there: BigIntStats, item: StagedItem): void {
  const isSame =
    item.kind === 'dir'
      ? there.isDirectory()
      : item.kind === 'link'
        ? linkAt(folder, name) === contentOfLink(item.content)
        : there.isFile() &&
          Number(there.size) === item.size &&
          secondsOf(there.mtimeNs) === secondsOf(item.mtimeNs);
  if (isSame) return;
  throw new FilerError('refused', `${JSON.stringify(path)} has changed since it was staged: stage it again`);
}

function join(above: string, name: string): string {
  return above === '' ? name : `${above}/${name}`;
}
