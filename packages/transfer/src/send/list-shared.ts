import { lstatSync, opendirSync, type BigIntStats } from 'node:fs';
import { basename } from 'node:path';
import { systemCode, type ListedItem } from '@filer/protocol';
import { isPartName, isStageName } from '../disk/safe-path.ts';
import type { SharedFolder } from './shared-folder.ts';
import { sourceError } from './source.ts';

/** Names that are read from a folder at once. */
const NAMES_AT_ONCE = 256;

/**
 * What is in a folder of a shared folder, while it is read; what is no folder is listed itself. Flat in memory.
 *
 * @param file `NAME/path/below`
 * @param hides whether something in it is kept from everyone
 * @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported`
 */
export function* listShared(
  shared: SharedFolder,
  file: string,
  hides: (file: string, isFolder: boolean) => boolean = () => false,
): Generator<ListedItem, void> {
  try {
    const found = shared.at(file, lookAt);
    if (!found.isDirectory()) {
      yield itemOf(basename(file), found);
      return;
    }
    const dir = shared.inside(file, (path) => opendirSync(path, { bufferSize: NAMES_AT_ONCE }));
    try {
      for (let item = dir.readSync(); item !== null; item = dir.readSync()) {
        const { name } = item;
        // What arrives there now is no one's yet.
        if (
          isStageName(name) ||
          (isPartName(name) && !item.isDirectory()) ||
          hides(`${file}/${name}`, item.isDirectory())
        )
          continue;
        yield lookInside(shared, file, name);
      }
    } finally {
      dir.closeSync();
    }
  } catch (error) {
    throw sourceError(file, error);
  }
}

function lookInside(shared: SharedFolder, file: string, name: string): ListedItem {
  try {
    return itemOf(name, shared.at(`${file}/${name}`, lookAt));
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return { name, kind: 'other', size: 0, mtimeNs: 0n };
  }
}

function lookAt(path: string): BigIntStats {
  return lstatSync(path, { bigint: true });
}

function itemOf(name: string, found: BigIntStats): ListedItem {
  const { mtimeNs } = found;
  const size = Number(found.size);
  // One of 2^53 bytes and more cannot be fetched.
  if (found.isFile() && Number.isSafeInteger(size)) return { name, kind: 'file', size, mtimeNs };
  const kind = found.isDirectory() ? 'dir' : found.isSymbolicLink() ? 'link' : 'other';
  return { name, kind, size: 0, mtimeNs };
}
