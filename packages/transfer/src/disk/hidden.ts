import { randomBytes } from 'node:crypto';
import type { Folder } from './folder.ts';
import { ASIDE_PREFIX, PART_PREFIX } from './safe-path.ts';

/** Something with a hidden name, which is to have another one. */
export interface Hidden {
  readonly folder: Folder;
  readonly file: string;
}

/** Begins the names that go with a transfer of this process. */
const OWN_NAMES = randomBytes(12).toString('hex');
let names = 0;

/** A hidden name for a part. @param mark begins what it says */
export function partIn(folder: Folder, mark = ''): Hidden {
  return { folder, file: `${PART_PREFIX}${mark}${OWN_NAMES}-${++names}` };
}

/** A hidden name for a link on its way, or for what gives way to something else. */
export function asideIn(folder: Folder, mark = ''): Hidden {
  return { folder, file: `${ASIDE_PREFIX}${mark}${OWN_NAMES}-${++names}` };
}
