import { FilerError } from '@filer/protocol';
import { secondsOf } from '@filer/transfer';
import type { Watch, WatchStore } from '../store/watch-store.ts';
import type { FolderProblems } from './folder-problems.ts';
import { shownPath, type Found } from './look.ts';

/** Folders of copies that are known at once; beyond that they are recognised again and again. */
const MAX_COPIES = 1_000;

/**
 * Recognises in a watched folder what this watch itself delivered: a recipient's inbox can be in it, on a disk that both
 * machines see under whatever path. Sent again, each copy would come back one level deeper, without an end.
 *
 * Recipients say below which folder of their inbox they have what a watch ships, `anna/data` for example. Their word is no
 * proof: it may name a folder of the user. A folder of that path that holds a file of the same relative path, size and time as
 * one that was shipped is a copy; so is a folder that is in another one of that path, where only folders go round.
 */
export class OwnDeliveries {
  readonly #watch: Watch;
  readonly #into: string;
  readonly #store: WatchStore;
  readonly #problems: FolderProblems;
  /** Below the watched folder. */
  readonly #copies = new Set<string>();

  /** @param into the folder at the recipients in which the watched one is put; empty for none */
  constructor(watch: Watch, store: WatchStore, problems: FolderProblems, into = '') {
    this.#watch = watch;
    this.#into = into;
    this.#store = store;
    this.#problems = problems;
  }

  /** Those that are no copies. @param ownName of this machine: by default its files are in a folder of that name */
  without<T extends Found>(found: readonly T[], ownName: string): T[] {
    const { id, name } = this.#watch;
    const noted = this.#store.places(id);
    const usual = [ownName, this.#into, name].filter((each) => each !== '').join('/');
    const places = noted.includes(usual) ? noted : [usual, ...noted];
    return found.filter((each) => !this.#isCopy(each, places));
  }

  /** Why a folder is left out with all that is in it; undefined for one that is no copy. */
  refusal(path: string): FilerError | undefined {
    if (!this.#copies.has(path)) return undefined;
    return new FilerError(
      'refused',
      `${shownPath(`${this.#watch.folder}/${path}`)} was delivered by this watch: the inbox of a recipient is in the watched folder, so choose another inbox there, or exclude it with --exclude`,
    );
  }

  /** Whether a path is in a folder that is known as a copy, or is one. */
  isInCopy(path: string): boolean {
    for (const folder of foldersOf(path)) if (this.#copies.has(folder)) return true;
    return false;
  }

  clear(): void {
    this.#copies.clear();
  }

  #isCopy(found: Found, places: readonly string[]): boolean {
    if (this.isInCopy(found.path)) return true;
    const copy = places
      .flatMap((place) => copiesIn(found, place))
      .find((each) => this.#isProved(each, found));
    if (copy === undefined) return false;
    if (this.#copies.size < MAX_COPIES) this.#copies.add(copy.folder);
    const refusal = this.refusal(copy.folder);
    if (refusal !== undefined) this.#problems.note(copy.folder, refusal);
    return true;
  }

  #isProved({ rest, isNested }: Copy, { kind, version }: Found): boolean {
    if (kind !== 'file') return isNested;
    const shipped = this.#store.files.shippedVersions(this.#watch.id, rest);
    return shipped.some((each) => isSameContent(each, version));
  }
}

interface Copy {
  readonly place: string;
  /** Below the watched folder: the copy of it. */
  readonly folder: string;
  /** Below that folder. */
  readonly rest: string;
  /** Whether the folder is in another one of the same place. */
  readonly isNested: boolean;
}

/** Where a path may be in a copy: each time that it goes through the folders of `place`. */
function copiesIn({ path, kind }: Found, place: string): Copy[] {
  const copies: Copy[] = [];
  const within = `/${path}${kind === 'folder' ? '/' : ''}`;
  const wanted = `/${place}/`;
  for (let at = within.indexOf(wanted); at >= 0; at = within.indexOf(wanted, at + 1)) {
    const end = at + wanted.length - 1;
    copies.push({ place, folder: within.slice(1, end), rest: path.slice(end), isNested: copies.length > 0 });
  }
  return copies;
}

/** A path and the folders above it, below the watched one. */
function* foldersOf(path: string): Generator<string> {
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) yield path.slice(0, at);
  yield path;
}

/** Whether two versions of files have one size and time, as far as a receiver can keep a time. @see versionOf */
function isSameContent(one: string, other: string): boolean {
  const [[, size, time], [, otherSize, otherTime]] = [one.split(':'), other.split(':')];
  if (time === undefined || otherTime === undefined || size !== otherSize) return false;
  return secondsOf(BigInt(time)) === secondsOf(BigInt(otherTime));
}
