import type { Folder } from './folder.ts';

/**
 * Reaches folders below an open one without making any: component by component, none of them a link. Those on the way to the
 * last one stay open, so that what is side by side does not open them each for itself.
 */
export class FolderPath implements Disposable {
  readonly #root: Folder;
  readonly #open: { readonly name: string; readonly folder: Folder }[] = [];

  constructor(root: Folder) {
    this.#root = root;
  }

  /**
   * @returns undefined where there is no such folder; it is open until the next call
   * @throws FilerError `refused`, `home-not-writable`
   */
  at(components: readonly string[]): Folder | undefined {
    const common = this.#open.findIndex(({ name }, n) => name !== components[n]);
    this.#close(common === -1 ? Math.min(this.#open.length, components.length) : common);
    for (const name of components.slice(this.#open.length)) {
      const folder = (this.#open.at(-1)?.folder ?? this.#root).enter(name);
      if (folder === undefined) return undefined;
      this.#open.push({ name, folder });
    }
    return this.#open.at(-1)?.folder ?? this.#root;
  }

  #close(from: number): void {
    for (const { folder } of this.#open.splice(from)) folder[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#close(0);
  }
}
