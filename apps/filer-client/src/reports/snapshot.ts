import { constants } from 'node:fs';
import { chmod, open, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type Attachment,
  FilerError,
  MAX_ATTACHMENT_BYTES,
  MAX_ATTACHMENTS,
  messageOf,
  systemCode,
  writeFailure,
  makeFolders,
} from '@filer/protocol';
import {
  copyUpTo,
  inspectSource,
  parseSafePath,
  readDigests,
  requireHoldsNoOwn,
  unsized,
} from '@filer/transfer';
import type { Spool, SpoolFiles } from '../store/spool.ts';

/** A file that continues changing is copied so often before that is given up. */
const MAX_COPIES = 3;

export interface SnapshotOptions {
  /**
   * Told about a file that cannot be attached, which is then left out.
   *
   * @default the whole snapshot fails with the error
   */
  readonly failed?: ((path: string, error: FilerError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies of the files that a report attaches, as they are now, in the home and on the disk: whatever happens to the
 * files themselves, the report has them. Made before the report is spooled, which takes them over with `keep`; else
 * they are removed on disposal.
 */
export class Snapshot implements SpoolFiles, Disposable {
  readonly folder: string;
  readonly attachments: Attachment[] = [];
  readonly #spool: Spool;
  #kept = false;

  private constructor(spool: Spool) {
    this.#spool = spool;
    this.folder = spool.folders.fresh();
  }

  /**
   * @param paths absolute; links are followed
   * @throws FilerError `usage` for too many or two of one name, `path-missing`, `path-unreadable`,
   *   `path-unsupported`, `name-refused`, `too-large`, `source-changed`, `spool-full`, `no-space`
   */
  static async take(
    spool: Spool,
    paths: readonly string[],
    { failed, signal }: SnapshotOptions = {},
  ): Promise<Snapshot> {
    const snapshot = new Snapshot(spool);
    try {
      await snapshot.#begin();
      for (const path of paths) {
        signal?.throwIfAborted();
        try {
          await snapshot.#add(path);
        } catch (error) {
          const fault = copyError(path, error);
          if (failed === undefined || fault.code === 'spool-full' || fault.code === 'no-space') throw fault;
          failed(path, fault);
        }
      }
      await sync(spool.folders.path(snapshot.folder));
      await sync(spool.folders.root);
      return snapshot;
    } catch (error) {
      snapshot[Symbol.dispose]();
      throw error;
    }
  }

  /** The report is spooled: the copies are its own. */
  keep(): void {
    this.#kept = true;
  }

  [Symbol.dispose](): void {
    if (!this.#kept) this.#spool.folders.remove(this.folder);
  }

  async #begin(): Promise<void> {
    const { root } = this.#spool.folders;
    try {
      makeFolders(this.#spool.folders.path(this.folder), 0o700);
    } catch (error) {
      throw writeFailure(`attachments cannot be kept in ${root}`, root, error);
    }
  }

  async #add(path: string): Promise<void> {
    const name = basename(path);
    parseSafePath(name);
    requireHoldsNoOwn(path);
    if (this.attachments.length >= MAX_ATTACHMENTS) {
      throw new FilerError(
        'usage',
        `a report takes ${MAX_ATTACHMENTS} attachments: pack the files into one, or send them with \`filer-client send\``,
      );
    }
    if (this.attachments.some((other) => other.name === name)) {
      throw new FilerError(
        'usage',
        `two attachments are called ${JSON.stringify(name)}: rename one of them, or pack them into one file`,
      );
    }
    const copy = join(this.#spool.folders.path(this.folder), String(this.attachments.length));
    const size = await this.#copy(path, copy);
    await chmod(copy, 0o600);
    await sync(copy, 'r+');
    const read = await readDigests(copy, constants.O_NOFOLLOW, undefined);
    if (read?.size !== size) throw changed(path);
    this.attachments.push({ name, size, digest: read.digest });
  }

  /** Copies it as it is at one moment; without taking room where the file system can. @returns its size */
  async #copy(path: string, copy: string): Promise<number> {
    const taken = this.attachments.reduce((sum, { size }) => sum + size, 0);
    for (let copies = 0; copies < MAX_COPIES; copies++) {
      const before = await inspectSource({ file: path });
      if (before.kind === 'dir') {
        throw new FilerError(
          'path-unsupported',
          `${JSON.stringify(path)} is a folder: attach its files one by one, or pack it`,
        );
      }
      if (before.size > MAX_ATTACHMENT_BYTES) {
        throw new FilerError(
          'too-large',
          `${JSON.stringify(path)} is ${before.size} bytes, an attachment takes ${MAX_ATTACHMENT_BYTES}: send it with \`filer-client send\``,
        );
      }
      this.#spool.requireRoom(taken + before.size);
      // An earlier copy has the mode of its file, and may be read-only.
      await rm(copy, { force: true });
      const size = await copyUpTo(path, copy, before.size);
      const after = await inspectSource({ file: path });
      if (after.identity !== before.identity) continue;
      if (size !== before.size) throw unsized(path);
      return size;
    }
    throw changed(path);
  }
}

function changed(path: string): FilerError {
  return new FilerError(
    'source-changed',
    `${JSON.stringify(path)} changed while it was copied, ${MAX_COPIES} times in a row: report when it no longer changes`,
  );
}

async function sync(path: string, flags = 'r'): Promise<void> {
  await using handle = await open(path, flags);
  await handle.sync();
}

/** What went wrong with one file, as its owner can understand it. */
function copyError(path: string, cause: unknown): FilerError {
  if (cause instanceof FilerError) return cause;
  const code = systemCode(cause);
  if (code === undefined) throw cause; // a bug of ours
  const what = JSON.stringify(path);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new FilerError(
        'no-space',
        `there is no room for a copy of ${what} on the disk of the home: free some there`,
        { cause },
      );
    case 'ENOENT':
      return new FilerError('path-missing', `there is no file ${what} any more`, { cause });
    default:
      return new FilerError('path-unreadable', `${what} cannot be attached (${messageOf(cause)})`, { cause });
  }
}
