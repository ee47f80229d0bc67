/** One directory position and the member that changed there. */
interface Change {
  readonly seq: number;
  readonly handle: number;
}

/** The log is cut down once it holds this many times more than there are rows. */
const SLACK = 4;

/** The changes of the directory in order. Later changes of a row outdate earlier ones, which are passed over. */
export class ChangeLog {
  #changes: Change[] = [];
  readonly #isCurrent: (change: Change) => boolean;

  /** @param isCurrent whether the member still has something that changed last at that seq */
  constructor(isCurrent: (change: Change) => boolean) {
    this.#isCurrent = isCurrent;
  }

  /** @param seqs the positions at which a member changed last, when it was loaded; in any order */
  load(changes: Iterable<Change>): void {
    this.#changes = [...changes].toSorted((a, b) => a.seq - b.seq);
  }

  /** @param seq above all others */
  add(seq: number, handle: number, rows: number): void {
    this.#changes.push({ seq, handle });
    if (this.#changes.length > SLACK * rows + 1_000) {
      this.#changes = this.#changes.filter(this.#isCurrent);
    }
  }

  /** What changed after a position and has not changed again since, in order. */
  *after(seq: number): Generator<Change, void, void> {
    for (let index = this.#firstAfter(seq); index < this.#changes.length; index++) {
      const change = this.#changes[index];
      if (change !== undefined && this.#isCurrent(change)) yield change;
    }
  }

  #firstAfter(seq: number): number {
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle]?.seq ?? 0) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
