import { createHash } from 'node:crypto';
import { lstatSync, type Stats, statSync, unlinkSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { DIGEST_BLOCK_BYTES, systemCode } from '@filer/protocol';
import type { Folder } from './folder.ts';
import type { DestinationFolder } from './destination-folder.ts';
import { isPartName, KEPT_PREFIX } from './safe-path.ts';

/** A file that came half is worth keeping when it has more than one block to compare. */
const WORTH_KEEPING_BYTES = DIGEST_BLOCK_BYTES;

/** The hidden place of one file's part, this transfer's alone until it is released. */
export interface ResumeSlot {
  readonly folder: Folder;
  readonly file: string;
  /** What an earlier try left there. */
  readonly bytes: number;
  /** May be called twice. */
  release(): void;
}

/** Places in use by any transfer of this process; only one process at a time receives into a place. */
const inUse = new Set<string>();

/**
 * Where parts lie that outlast a cut: in the inbox, under a name made from the sender and the path that the file will
 * have, so that the next try finds it. What is in it needs no notes: its blocks are digested and compared again.
 */
export class ResumeStore {
  readonly #place: DestinationFolder;
  readonly #senderId: string;
  readonly #mark: string;
  /** A final name is taken by a link, which does not reach into another file system. */
  readonly #sameDisk: boolean;

  /** @param mark begins what their names say */
  constructor(place: DestinationFolder, senderId: string, mark = '') {
    this.#place = place;
    this.#senderId = senderId;
    this.#mark = mark;
    this.#sameDisk = statSync(place.inbox.at('.')).dev === statSync(place.folder.at('.')).dev;
  }

  /** The place of a file's part; undefined for a small file, or when another transfer of the same file has it. */
  claim(components: readonly string[], size: number): ResumeSlot | undefined {
    if (size <= WORTH_KEEPING_BYTES || !this.#sameDisk) return undefined;
    const folder = this.#place.inbox;
    const file = this.#fileOf(components);
    const key = join(folder.path, file);
    if (inUse.has(key)) return undefined;
    inUse.add(key);
    return { folder, file, bytes: this.#bytesIn(file), release: () => void inUse.delete(key) };
  }

  /** What an earlier try left of a file, in bytes. */
  bytesOf(components: readonly string[], size: number): number {
    return size <= WORTH_KEEPING_BYTES ? 0 : this.#bytesIn(this.#fileOf(components));
  }

  #bytesIn(file: string): number {
    const path = this.#place.inbox.at(file);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) return 0;
    if (isPartAlone(found)) return found.size;
    unlinkSync(path);
    return 0;
  }

  #fileOf(components: readonly string[]): string {
    const path = this.#place.pathOf(components.slice(0, -1), components.at(-1) ?? '');
    const key = createHash('sha256').update(`${this.#senderId}\0${path}`).digest('hex');
    return `${KEPT_PREFIX}${this.#mark}${key.slice(0, 40)}`;
  }
}

/**
 * Whether a part may be written to. One with a second name has its final name already: its receiver was killed
 * before it gave up the hidden one. What is no file is nothing of ours.
 */
export function isPartAlone(found: Stats): boolean {
  return found.isFile() && found.nlink === 1;
}

/** What all of them hold in an inbox, whichever machine sent it, in bytes. However many there are, nothing else waits for it. */
export async function keptBytesIn(inbox: string): Promise<number> {
  let bytes = 0;
  try {
    for await (const { name } of await opendir(inbox)) {
      if (name.startsWith(KEPT_PREFIX) && isPartName(name)) bytes += fileBytes(join(inbox, name));
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error; // an inbox that is not there yet holds none
  }
  return bytes;
}

function fileBytes(path: string): number {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true ? found.size : 0;
}
