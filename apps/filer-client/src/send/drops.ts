import { mkdirSync } from 'node:fs';
import { mkdir, open, readdir, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, systemCode, writeFailure } from '@filer/protocol';
import type { DiskRoom, Logger } from '@filer/program';
import { droppedEntries, type DroppedFile } from './drop-entries.ts';
import { markOf, newSpoolFile, removeSpooled } from './spool-folder.ts';

/** What was dropped, as it is kept until everyone has it. */
export interface Dropped {
  /** Of this drop alone. */
  readonly folder: string;
  /** What is in it, absolute. */
  readonly paths: readonly string[];
  readonly files: number;
  readonly bytes: number;
}

export interface DropsOptions {
  /** What is to be sent is kept below it. */
  readonly folder: string;
  readonly room: DiskRoom;
  readonly log: Logger;
}

/** Drops that come in at once: a person has one or two pages open. */
const MAX_AT_ONCE = 8;

/** Files that are synced side by side: a disk syncs several in the time of one. */
const FINISHING_AT_ONCE = 16;

/** In s: a time that a float cannot hold must not fall into the millisecond before. */
const HALF_A_MICROSECOND = 5e-7;

/** Files and folders of one drop; more than that is sent from the command line. */
export const MAX_ENTRIES = 200_000;

/**
 * Keeps what is dropped in a page on the disk, as it comes: a file that is read from a browser cannot be read again after a loss. Each drop
 * has a folder, and beside it a mark until it is whole, as what comes from standard input. Modes are those of new files here: a
 * browser tells none.
 */
export class Drops {
  readonly #options: DropsOptions;
  #running = 0;

  constructor(options: DropsOptions) {
    this.#options = options;
  }

  /** Removes what a killed daemon left half-way. Call it before anything comes. Never rejects. */
  async clean(): Promise<void> {
    const { folder, log } = this.#options;
    try {
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        const path = join(folder, entry.name);
        if (!entry.isDirectory() || !(await exists(markOf(path)))) continue;
        await removeSpooled([path], true);
        log.info('an incomplete drop was removed', { folder: path });
      }
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') log.warn('an incomplete drop was not removed', { error });
    }
  }

  /**
   * Keeps one drop.
   *
   * @param body as `drop-entries.ts` draws it
   * @throws FilerError `message-malformed`, `name-refused`, `no-space`, `home-not-writable`, `rate-limited`, `usage` for
   *   nothing; nothing is kept then
   */
  async take(body: AsyncIterable<Uint8Array>): Promise<Dropped> {
    if (this.#running >= MAX_AT_ONCE)
      throw new FilerError('rate-limited', `${MAX_AT_ONCE} drops come in already: try again in a moment`);
    this.#running++;
    try {
      return await this.#take(body);
    } finally {
      this.#running--;
    }
  }

  async #take(body: AsyncIterable<Uint8Array>): Promise<Dropped> {
    const folder = await newSpoolFile(this.#options.folder);
    try {
      await writeFile(markOf(folder), '', { flag: 'wx', mode: 0o600 });
      // What is in it has the modes of new files; no other user comes in.
      await mkdir(folder, { mode: 0o700 });
      const dropped = await this.#keep(folder, body);
      await rm(markOf(folder), { force: true });
      return dropped;
    } catch (error) {
      await removeSpooled([folder], true).catch(() => undefined); // the first failure is the reason
      throw error instanceof FilerError || systemCode(error) === undefined ? error : kept(folder, error);
    }
  }

  async #keep(folder: string, body: AsyncIterable<Uint8Array>): Promise<Dropped> {
    const { room } = this.#options;
    const paths = new Set<string>();
    const folders = new Set<string>();
    const finishing = new Finishing();
    let [entries, files, bytes] = [0, 0, 0];
    try {
      for await (const entry of droppedEntries(body)) {
        const [top = ''] = entry.path;
        const path = join(folder, ...entry.path);
        if (++entries > MAX_ENTRIES) throw tooMany();
        paths.add(join(folder, top));
        this.#makeFolders(folder, entry.kind === 'dir' ? entry.path : entry.path.slice(0, -1), folders);
        if (entry.kind === 'dir') continue;
        // Refused before it comes, and counted as it comes: others write meanwhile.
        if (entry.size > room.bytes) room.require(entry.size);
        room.require(0, 1);
        await finishing.add(await written(path, entry, room), entry.mtimeMs);
        files++;
        bytes += entry.size;
      }
    } finally {
      await finishing.ended();
    }
    finishing.throwIfFailed();
    if (paths.size === 0) throw new FilerError('usage', 'nothing was dropped: drop a file or a folder');
    return { folder, paths: [...paths], files, bytes };
  }

  /** @param made those that are there, to which it adds */
  #makeFolders(folder: string, below: readonly string[], made: Set<string>): void {
    let path = folder;
    for (const name of below) {
      path = join(path, name);
      if (made.has(path)) continue;
      this.#options.room.require(0, 1);
      mkdirSync(path, { recursive: true });
      made.add(path);
    }
  }
}

/** More was dropped than one drop may have. */
export function tooMany(): FilerError {
  return new FilerError(
    'too-large',
    `more than ${MAX_ENTRIES} files were dropped at once: send their folder with \`filer-client send\``,
  );
}

async function written(path: string, { content }: DroppedFile, room: DiskRoom): Promise<FileHandle> {
  const handle = await newFile(path);
  try {
    for await (const piece of content) {
      room.require(piece.length);
      // A full disk shows first as a short write.
      for (let at = 0; at < piece.length;) at += (await handle.write(piece, at)).bytesWritten;
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function newFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    throw new FilerError('usage', 'two of what was dropped have the same name here: drop them one by one', {
      cause: error,
    });
  }
}

/** Files on their way to the disk, several at once. */
class Finishing {
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /** Resolves when there is room for more. @throws what failed before */
  async add(handle: FileHandle, mtimeMs: number): Promise<void> {
    const work = finished(handle, mtimeMs)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(work));
    this.#running.add(work);
    if (this.#running.size >= FINISHING_AT_ONCE) await Promise.race(this.#running);
    this.throwIfFailed();
  }

  async ended(): Promise<void> {
    await Promise.all(this.#running);
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** A power cut must not make it shorter, to be sent like that. */
async function finished(handle: FileHandle, mtimeMs: number): Promise<void> {
  try {
    const seconds = mtimeMs / 1_000 + HALF_A_MICROSECOND;
    await handle.utimes(seconds, seconds);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await (await open(path)).close();
    return true;
  } catch {
    return false;
  }
}

function kept(folder: string, cause: unknown): FilerError {
  return writeFailure(`what was dropped cannot be kept in ${folder}`, folder, cause, {
    otherwise: 'send it with `filer-client send`, which keeps no copy',
  });
}
