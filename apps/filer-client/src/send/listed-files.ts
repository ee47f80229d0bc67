import { existsSync, lstatSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { systemCode, type ErrorCode } from '@filer/protocol';
import type { SourceFile } from '@filer/transfer';
import type { Member } from '../network/member.ts';
import type { JobFile } from '../store/job-file-store.ts';
import { nameThere, type SendRequest } from '../jobs/send-request.ts';
import { watchedVersion } from './watched-version.ts';

/** Files that are looked up at once. */
const PAGE = 500;

/**
 * What a job brings of a watched folder, as the tree that the whole folder would be: each time that it is gone through,
 * the files that are still what they were when they were chosen, each below the folders that it is in. The others are
 * passed over: their folder's watch finds them as they are now.
 */
export class ListedFiles implements Iterable<SourceFile> {
  readonly #member: Member;
  readonly #job: string;
  readonly #watch: number;
  readonly #folder: string;
  readonly #name: string;
  readonly #followsLinks: boolean;

  constructor(member: Member, job: string, request: SendRequest) {
    const { watch, paths, links } = request;
    const [folder = ''] = paths;
    this.#member = member;
    this.#job = job;
    this.#watch = watch;
    this.#folder = folder;
    this.#name = nameThere(request, folder);
    this.#followsLinks = links === 'copy';
  }

  /** Of all of them, about. */
  get bytes(): number {
    return this.#member.jobFiles.bytes(this.#job);
  }

  /** Whether files of the watch are removed or moved here once all recipients have them. */
  get isRemovedAfter(): boolean {
    return this.#member.watches.files.isOwed(this.#watch);
  }

  *[Symbol.iterator](): Generator<SourceFile, void> {
    const isThere = existsSync(this.#folder);
    if (isThere) yield { file: this.#folder, name: this.#name, alone: {} };
    let above: readonly string[] = [];
    for (let last = '', page = this.#page(last); page.length > 0; page = this.#page(last)) {
      const gone: JobFile[] = [];
      for (const file of page) {
        last = file.path;
        if (!isThere || !this.#isStill(file)) {
          gone.push(file);
          continue;
        }
        const folders = file.path.split('/').slice(0, -1);
        for (let depth = 1; depth <= folders.length; depth++) {
          const path = folders.slice(0, depth).join('/');
          if (above[depth - 1] !== path) yield this.#source(path, undefined);
        }
        above = folders.map((_, n) => folders.slice(0, n + 1).join('/'));
        yield this.#source(file.path, file.version);
      }
      if (gone.length > 0) this.#member.watches.files.forget(this.#watch, gone);
    }
  }

  /** Whether a file failed only because it changed at the last moment: it goes later, as it is then. */
  isPassedOver(file: string, code: ErrorCode | undefined): boolean {
    if (code !== 'source-changed' && code !== 'path-missing') return false;
    const path = posix.relative(this.#folder, file);
    const listed = this.#member.jobFiles.get(this.#job, path);
    if (listed !== undefined) this.#member.watches.files.forget(this.#watch, [listed]);
    return true;
  }

  #page(after: string): JobFile[] {
    return this.#member.jobFiles.page(this.#job, after, PAGE);
  }

  #isStill({ path, version }: JobFile): boolean {
    try {
      const lookAt = this.#followsLinks ? statSync : lstatSync;
      const found = lookAt(`${this.#folder}/${path}`, { bigint: true, throwIfNoEntry: false });
      return found !== undefined && watchedVersion(found) === version;
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      return false;
    }
  }

  #source(path: string, version: string | undefined): SourceFile {
    return {
      file: `${this.#folder}/${path}`,
      name: `${this.#name}/${path}`,
      alone: { below: path, version },
    };
  }
}
