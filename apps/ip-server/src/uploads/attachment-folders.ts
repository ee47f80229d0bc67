import { lstat, open, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Attachment,
  isPeerId,
  SPOOL_PATTERN,
  systemCode,
  writeFailure,
  makeFolders,
} from '@filer/protocol';
import type { UploadKey } from '../store/attachment-store.ts';

/** A folder below the root: `PEER-ID/SPOOL-SEQ`. */
const NAME = /^([0-9a-f]{32})-(0|[1-9][0-9]{0,15})$/;

/** Where the files of reports lie: a folder for each report, in one for each machine. Names are those of the keys alone. */
export class AttachmentFolders {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Relative to the root. */
  nameOf({ peer, spool, seq }: UploadKey): string {
    if (!isPeerId(peer) || !SPOOL_PATTERN.test(spool)) throw new Error('a key of a report was checked');
    return join(peer, `${spool}-${seq}`);
  }

  pathOf(key: UploadKey): string {
    return join(this.root, this.nameOf(key));
  }

  /** Whether a file is there as it came, as far as its size tells. */
  async has(key: UploadKey, { name, size }: Attachment): Promise<boolean> {
    const found = await attempt(lstat(join(this.pathOf(key), name)));
    return found?.isFile() === true && found.size === size;
  }

  /** Makes the folder of a report, whose name then outlasts a power cut. @throws FilerError `home-not-writable` */
  async make(key: UploadKey): Promise<void> {
    const path = this.pathOf(key);
    try {
      makeFolders(path);
      for (const above of [join(this.root, key.peer), this.root]) {
        await using folder = await open(above);
        await folder.sync();
      }
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      throw writeFailure(`cannot make ${path}`, path, error);
    }
  }

  /** How much is there for a report, of whatever kind: what came half is there, too. */
  async measure(key: UploadKey): Promise<{ readonly files: number; readonly bytes: number }> {
    const names = await namesIn(this.pathOf(key));
    let bytes = 0;
    for (const name of names) bytes += (await attempt(lstat(join(this.pathOf(key), name))))?.size ?? 0;
    return { files: names.length, bytes };
  }

  /** Removes all files of a report but those that are named. @throws FilerError `home-not-writable` */
  async keepOnly(key: UploadKey, names: ReadonlySet<string>): Promise<void> {
    for (const name of await namesIn(this.pathOf(key)))
      if (!names.has(name)) await this.#remove(join(this.pathOf(key), name));
  }

  /** Removes all files of a report. @throws FilerError `home-not-writable` */
  async remove(key: UploadKey): Promise<void> {
    await this.#remove(this.pathOf(key));
    await attempt(rmdir(join(this.root, key.peer)));
  }

  async #remove(path: string): Promise<void> {
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      throw writeFailure(`cannot remove ${path}`, path, error);
    }
  }

  /** The folders of all reports, whichever process made them, that were not touched since. */
  async *untouchedSince(before: number): AsyncGenerator<UploadKey, void, void> {
    for (const peer of await namesIn(this.root)) {
      if (!isPeerId(peer)) continue;
      for (const name of await namesIn(join(this.root, peer))) {
        const [, spool, seq] = NAME.exec(name) ?? [];
        if (spool === undefined || seq === undefined) continue;
        const found = await attempt(lstat(join(this.root, peer, name)));
        if (found !== undefined && found.mtimeMs < before) yield { peer, spool, seq: Number(seq) };
      }
    }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return (await attempt(readdir(folder))) ?? [];
}

/** What is missing or unreadable counts as none. */
async function attempt<T>(action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch (error) {
    if (systemCode(error) !== undefined) return undefined;
    throw error;
  }
}
