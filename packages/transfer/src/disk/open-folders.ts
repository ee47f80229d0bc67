/** A folder that is kept open. */
export interface HeldFolder {
  /** How many use it now. */
  users: number;
}

export interface OpenFoldersOptions<H extends HeldFolder> {
  /** So many are kept open beside those in use. */
  readonly most: number;
  /** Opens a folder in another one. @param key its path below the root */
  readonly open: (above: H, own: string, key: string) => H;
  readonly close: (held: H) => void;
}

/** Folders below a root that are kept open, so that the files of one do not open it each for itself. */
export class OpenFolders<H extends HeldFolder> {
  readonly #root: H;
  readonly #options: OpenFoldersOptions<H>;
  /** By path below the root, the longest unused first. */
  readonly #held = new Map<string, H>();
  /** The one that was used last. */
  #newest: H | undefined;

  constructor(root: H, options: OpenFoldersOptions<H>) {
    this.#root = root;
    this.#options = options;
  }

  /** A folder, for use in this turn, or for as long as it has users. @throws what `open` throws */
  hold(components: readonly string[]): H {
    const own = components.at(-1);
    if (own === undefined) return this.#root;
    const key = components.join('/');
    const known = this.#held.get(key);
    if (known !== undefined) {
      if (known !== this.#newest) {
        this.#held.delete(key);
        this.#held.set(key, known);
        this.#newest = known;
      }
      return known;
    }
    const held = this.#options.open(this.hold(components.slice(0, -1)), own, key);
    this.#held.set(key, held);
    this.#newest = held;
    this.closeUnused();
    return held;
  }

  closeUnused(): void {
    let newest = this.#held.size;
    for (const [key, held] of this.#held) {
      // Never the newest: its caller has not begun to use it.
      if (this.#held.size <= this.#options.most || --newest === 0) return;
      if (held.users > 0) continue;
      this.#held.delete(key);
      this.#options.close(held);
    }
  }

  get size(): number {
    return this.#held.size;
  }

  /** Paths below the root. */
  get paths(): string[] {
    return [...this.#held.keys()];
  }

  /** All but the root. */
  get all(): H[] {
    return [...this.#held.values()];
  }
}
