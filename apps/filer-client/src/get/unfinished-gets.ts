import { createHash } from 'node:crypto';
import type { KeyValues } from '@filer/program';

/**
 * Gets under a name of the user's choice that were not completed. A folder that such a get made is there when
 * it is typed again, and is not one to go into, but the one to continue with.
 */
export class UnfinishedGets {
  readonly #settings: KeyValues;

  constructor(settings: KeyValues) {
    this.#settings = settings;
  }

  /**
   * @param dest absolute
   * @param source what is fetched, and from whom
   */
  has(dest: string, source: string): boolean {
    return this.#settings.get(keyOf(dest)) === source;
  }

  note(dest: string, source: string): void {
    this.#settings.set(keyOf(dest), source);
  }

  forget(dest: string): void {
    this.#settings.delete(keyOf(dest));
  }
}

function keyOf(dest: string): string {
  return `get.unfinished.${createHash('sha256').update(dest).digest('hex').slice(0, 32)}`;
}
