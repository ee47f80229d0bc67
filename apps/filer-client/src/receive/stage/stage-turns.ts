/** Paths, and whether others are one of them, in one of them or above one. */
export class PathSet {
  readonly #paths = new Set<string>();
  readonly #above = new Set<string>();

  constructor(paths: Iterable<string>) {
    for (const path of paths) {
      this.#paths.add(path);
      for (const folder of foldersAbove(path)) this.#above.add(folder);
    }
  }

  touches(paths: Iterable<string>): boolean {
    for (const path of paths) {
      if (this.#paths.has(path) || this.#above.has(path)) return true;
      for (const folder of foldersAbove(path)) if (this.#paths.has(folder)) return true;
    }
    return false;
  }
}

function* foldersAbove(path: string): Generator<string> {
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    yield path.slice(0, end);
}

interface Turn {
  readonly paths: readonly string[];
  readonly over: Promise<void>;
}

/** What is done to the same paths is done one after the other, in the order in which it was asked for; all else at the same time. */
export class StageTurns {
  readonly #turns = new Set<Turn>();

  async take<T>(paths: readonly string[], work: () => Promise<T>): Promise<T> {
    const own = new PathSet(paths);
    const before = [...this.#turns].filter((turn) => own.touches(turn.paths));
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const turn = { paths, over };
    this.#turns.add(turn);
    try {
      await Promise.all(before.map((earlier) => earlier.over));
      return await work();
    } finally {
      this.#turns.delete(turn);
      resolve();
    }
  }
}
