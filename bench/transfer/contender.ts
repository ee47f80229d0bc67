/** One way to bring a file or a folder from one place to another. */
export interface Contender {
  readonly name: string;
  /**
   * From the start of its command to its end.
   *
   * @param source a file or a folder
   * @param round to give each target a name of its own
   * @returns bytes on the wire, where it tells
   */
  readonly carry: (source: string, round: string) => Promise<number | undefined>;
  /** Brings the same once more to where it is already, from the last `carry` on. */
  readonly isIncremental?: boolean;
}

/** The contenders that can run here, and why others cannot. */
export interface Field {
  readonly contenders: readonly Contender[];
  readonly missing: readonly string[];
}
