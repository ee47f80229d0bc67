/** On which path each peer was reached last, by either side, while this process runs. */
export class PathsUsed {
  readonly #last = new Map<string, string>();

  note(peerId: string, path: string): void {
    this.#last.set(peerId, path);
  }

  /** How many peers were reached on each path. */
  get counts(): { readonly via: string; readonly peers: number }[] {
    const counts = new Map<string, number>();
    for (const via of this.#last.values()) counts.set(via, (counts.get(via) ?? 0) + 1);
    return [...counts].map(([via, peers]) => ({ via, peers }));
  }

  /** @returns undefined for one that was not reached yet */
  of(peerId: string): string | undefined {
    return this.#last.get(peerId);
  }
}
