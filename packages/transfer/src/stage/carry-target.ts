import {
  constants,
  linkSync,
  lutimesSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  type BigIntStats,
} from 'node:fs';
import { open, utimes } from 'node:fs/promises';
import { FilerError, systemCode } from '@filer/protocol';
import { copyUpTo } from '../disk/copy-file.ts';
import type { Folder } from '../disk/folder.ts';
import type { Space } from '../disk/free-space.ts';
import { STAGE_PREFIX } from '../disk/safe-path.ts';
import { utimesTime } from '../disk/times.ts';
import { statsAt } from '../receive/existing-digests.ts';
import { takeRoom } from '../receive/receive-policy.ts';
import { identityAt } from './exchange.ts';

/** What a file system answers to `link` where there is none, or none more. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Until it has its name. */
const CARRIED = `${STAGE_PREFIX}carried`;

type Facts = ReturnType<Folder['facts']>;

export interface CarryOptions {
  /** What copies are taken from, where there are no links. */
  readonly space: Space;
  /** Whether what is carried is on the disk when the folder is closed. */
  readonly sync: boolean;
}

/** A folder that things are carried into: opened, and made, when the first of them comes; it keeps its permissions and its time. */
export class CarryTarget implements AsyncDisposable {
  readonly #options: CarryOptions;
  readonly #above: CarryTarget | undefined;
  readonly #name: string;
  readonly #source: Folder;
  #folder: Folder | undefined;
  #facts: Facts | undefined;
  #hasChanged = false;

  /** @param source where its permissions come from, if it is made */
  private constructor(
    options: CarryOptions,
    above: CarryTarget | undefined,
    name: string,
    source: Folder,
    folder?: Folder,
  ) {
    this.#options = options;
    this.#above = above;
    this.#name = name;
    this.#source = source;
    this.#folder = folder;
  }

  /** The outermost, which is there, and another one's to close. */
  static of(folder: Folder, options: CarryOptions): CarryTarget {
    return new CarryTarget(options, undefined, '', folder, folder);
  }

  below(name: string, source: Folder): CarryTarget {
    return new CarryTarget(this.#options, this, name, source);
  }

  /** @throws FilerError of the folder */
  get folder(): Folder {
    if (this.#folder !== undefined) return this.#folder;
    const above = this.#above;
    if (above === undefined) throw new Error('the outermost folder is open');
    const folder = above.folder.open(this.#name);
    if (folder.made) above.#hasChanged = true;
    this.#facts = folder.made ? this.#source.facts() : folder.facts();
    folder.makeFillable();
    return (this.#folder = folder);
  }

  /** What has a name in it, without making it. @returns undefined for nothing */
  has(name: string): boolean {
    if (this.#folder !== undefined) return statsAt(this.#folder, name) !== undefined;
    if (this.#above?.has(this.#name) !== true) return false;
    return statsAt(this.folder, name) !== undefined;
  }

  /** Whether a name is one for the same file here and there. */
  isSame(source: Folder, name: string): boolean {
    return identityAt(this.folder.at(name)) === identityAt(source.at(name));
  }

  /**
   * Gives a file or link a second name here, in the place of a file or link that has it; where there are no links, a copy. What is
   * gone meanwhile is not taken.
   *
   * @throws a system error, FilerError `refused` where a folder has the name
   */
  async take(source: Folder, name: string): Promise<void> {
    const there = statsAt(source, name);
    if (there === undefined || this.isSame(source, name)) return;
    const had = statsAt(this.folder, name);
    if (had?.isDirectory() === true)
      throw new FilerError(
        'refused',
        `${JSON.stringify(name)} was put where the other version has a folder: move it away first`,
      );
    const [from, to] = [source.at(name), this.folder.at(had === undefined ? name : CARRIED)];
    this.#hasChanged = true;
    if (had !== undefined) rmSync(to, { recursive: true, force: true });
    try {
      await this.#copy(from, to, there, name);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || identityAt(from) !== undefined) throw error;
      return;
    }
    if (had !== undefined) renameSync(to, this.folder.at(name));
  }

  async #copy(from: string, to: string, there: BigIntStats, name: string): Promise<void> {
    try {
      linkSync(from, to);
    } catch (error) {
      if (systemCode(error) === 'EXDEV') throw isMounted(name);
      if (!NO_LINKS.has(systemCode(error) ?? '')) throw error;
      if (there.isSymbolicLink()) {
        symlinkSync(readlinkSync(from), to);
        lutimesSync(to, Date.now() / 1000, utimesTime(there.mtimeNs));
      } else if (there.isFile()) {
        const bytes = Number(there.size);
        await copyUpTo(from, to, bytes, async () => takeRoom(await this.#options.space.left(bytes), bytes));
        await utimes(to, Date.now() / 1000, utimesTime(there.mtimeNs));
        if (this.#options.sync) await syncFile(to);
      } else throw error;
    }
  }

  /** @throws FilerError `no-space`, `home-not-writable` where it cannot be synced */
  async [Symbol.asyncDispose](): Promise<void> {
    const folder = this.#folder;
    if (folder === undefined) return;
    try {
      if (this.#above !== undefined) {
        const { mode, mtimeNs } = this.#facts ?? this.#source.facts();
        folder.finish(mode, utimesTime(mtimeNs));
      }
      if (this.#hasChanged && this.#options.sync) await folder.sync();
    } finally {
      if (this.#above !== undefined) folder[Symbol.dispose]();
    }
  }
}

/** What is mounted below a name would go along with the version that is replaced, and be removed with it. */
export function isMounted(path: string): FilerError {
  return new FilerError(
    'refused',
    `${JSON.stringify(path)} is mounted there from another disk, and would go with what is replaced: unmount it there first, or send without --stage`,
  );
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  await file.sync();
}
