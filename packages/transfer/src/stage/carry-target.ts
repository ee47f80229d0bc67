import {
  linkSync,
  lutimesSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  type BigIntStats,
} from 'node:fs';
import { utimes } from 'node:fs/promises';
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
const NO_LINKS: ReadonlySet<string> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EXDEV',
]);

/** Until it has its name. */
const CARRIED = `${STAGE_PREFIX}carried`;

type Facts = ReturnType<Folder['facts']>;

/** A folder that things are carried into: opened, and made, when the first of them comes; it keeps its permissions and its time. */
export class CarryTarget implements Disposable {
  readonly #space: Space;
  readonly #above: CarryTarget | undefined;
  readonly #name: string;
  readonly #source: Folder;
  #folder: Folder | undefined;
  #facts: Facts | undefined;

  /** @param source where its permissions come from, if it is made */
  private constructor(
    space: Space,
    above: CarryTarget | undefined,
    name: string,
    source: Folder,
    folder?: Folder,
  ) {
    this.#space = space;
    this.#above = above;
    this.#name = name;
    this.#source = source;
    this.#folder = folder;
  }

  /** The outermost, which is there, and another one's to close. */
  static of(folder: Folder, space: Space): CarryTarget {
    return new CarryTarget(space, undefined, '', folder, folder);
  }

  below(name: string, source: Folder): CarryTarget {
    return new CarryTarget(this.#space, this, name, source);
  }

  /** @throws FilerError of the folder */
  get folder(): Folder {
    if (this.#folder !== undefined) return this.#folder;
    const above = this.#above?.folder;
    if (above === undefined) throw new Error('the outermost folder is open');
    const folder = above.open(this.#name);
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
    if (had !== undefined) rmSync(to, { recursive: true, force: true });
    try {
      await this.#copy(from, to, there);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || identityAt(from) !== undefined) throw error;
      return;
    }
    if (had !== undefined) renameSync(to, this.folder.at(name));
  }

  async #copy(from: string, to: string, there: BigIntStats): Promise<void> {
    try {
      linkSync(from, to);
    } catch (error) {
      if (!NO_LINKS.has(systemCode(error) ?? '')) throw error;
      if (there.isSymbolicLink()) {
        symlinkSync(readlinkSync(from), to);
        lutimesSync(to, Date.now() / 1000, utimesTime(there.mtimeNs));
      } else if (there.isFile()) {
        const bytes = Number(there.size);
        await copyUpTo(from, to, bytes, async () => takeRoom(await this.#space.left(bytes), bytes));
        await utimes(to, Date.now() / 1000, utimesTime(there.mtimeNs));
      } else throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#above === undefined || this.#folder === undefined) return;
    const { mode, mtimeNs } = this.#facts ?? this.#source.facts();
    this.#folder.finish(mode, utimesTime(mtimeNs));
    this.#folder[Symbol.dispose]();
  }
}
