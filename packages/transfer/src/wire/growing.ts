/** How much of a file is there. */
export interface Extent {
  readonly bytes: number;
  /** Whether that is all of it. */
  readonly complete: boolean;
}

/** A file that is still being written, by this program: standard input on its way through the disk. */
export interface Growing {
  /**
   * Waits for more.
   *
   * @param bytes that the file is to hold; Infinity for all
   * @returns what it holds: fewer than asked for only when it is complete
   * @throws FilerError why it will not be complete
   */
  reach(bytes: number): Promise<Extent>;
}
