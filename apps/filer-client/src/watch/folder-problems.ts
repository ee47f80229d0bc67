import type { FilerError } from '@filer/protocol';
import type { Logger } from '@filer/program';

/** Paths that are kept with their reasons; what is beyond is only known to be there. */
const MAX_PROBLEMS = 1_000;

interface Problem {
  readonly reason: string;
  /** The scan in or after which it was met last. */
  readonly scan: number;
}

/**
 * What cannot be sent from a watched folder: paths, each with its reason, for as long as that is so. A path that ends in
 * `/` is a folder that cannot be looked into; `/` alone is the watched folder itself.
 */
export class FolderProblems {
  readonly #log: Logger;
  readonly #watch: string;
  readonly #problems = new Map<string, Problem>();
  #scan = 0;
  /** The scan in or after which there was no room for a problem. */
  #uncountedIn = -1;

  /** @param watch its name */
  constructor(log: Logger, watch: string) {
    this.#log = log;
    this.#watch = watch;
  }

  /** The first reason, and how many more there are; undefined when there is none. */
  get reason(): string | undefined {
    const [first] = this.#problems.values();
    if (first === undefined) return undefined;
    const others = this.#problems.size - 1;
    const more = this.#uncountedIn >= 0 ? `more than ${others}` : String(others);
    return `${first.reason}: it stays here${others === 0 ? '' : ` (and ${more} more)`}`;
  }

  note(path: string, { message }: FilerError): void {
    const before = this.#problems.get(path);
    if (before === undefined && this.#problems.size >= MAX_PROBLEMS) {
      this.#uncountedIn = this.#scan;
      return;
    }
    this.#problems.set(path, { reason: message, scan: this.#scan });
    if (before?.reason !== message)
      this.#log.warn('a watched folder has a problem', { watch: this.#watch, reason: message });
  }

  /** What is at this path can be sent; what is in it may still have problems. */
  fine(path: string): void {
    this.#problems.delete(path);
  }

  /** There is nothing at this path, or nothing that is to be sent. */
  gone(path: string): void {
    for (const each of this.#problems.keys()) if (isAtOrBelow(each, path)) this.#problems.delete(each);
  }

  /** Whether something in the folder at this path has a problem, or the folder cannot be looked into. */
  isIn(folder: string): boolean {
    for (const each of this.#problems.keys()) if (each !== folder && isAtOrBelow(each, folder)) return true;
    return false;
  }

  /** A folder is about to be looked through. */
  beginScan(): void {
    this.#scan++;
  }

  /** All below a folder was looked through: what was not met again is no problem any longer. */
  endScan(folder: string): void {
    for (const [each, { scan }] of this.#problems)
      if (scan < this.#scan && each !== folder && isAtOrBelow(each, folder)) this.#problems.delete(each);
    if (folder === '' && this.#uncountedIn < this.#scan) this.#uncountedIn = -1;
  }

  clear(): void {
    this.#problems.clear();
    this.#uncountedIn = -1;
  }
}

function isAtOrBelow(path: string, folder: string): boolean {
  return folder === '' || path === folder || path.startsWith(`${folder}/`);
}
