import { MAX_TOKENS, type StoredToken, type TokenStore } from '../token-store.ts';

/** Tokens, in memory. */
export class MemoryTokenStore implements TokenStore {
  readonly #all = new Map<string, StoredToken>();

  async add(token: Omit<StoredToken, 'usedAt'>, now: number, most = MAX_TOKENS): Promise<boolean> {
    for (const { id, expiresAt } of this.#all.values()) if (expiresAt <= now) this.#all.delete(id);
    if (this.#all.size >= most) return false;
    this.#all.set(token.id, { ...token, usedAt: undefined });
    return true;
  }

  async all(): Promise<StoredToken[]> {
    return [...this.#all.values()];
  }

  async byDigest(digest: string): Promise<StoredToken | undefined> {
    return [...this.#all.values()].find((token) => token.digest === digest);
  }

  async byId(id: string): Promise<StoredToken | undefined> {
    return this.#all.get(id);
  }

  async used(id: string, at: number): Promise<void> {
    const token = this.#all.get(id);
    if (token !== undefined) this.#all.set(id, { ...token, usedAt: at });
  }

  async remove(id: string): Promise<StoredToken | undefined> {
    const token = this.#all.get(id);
    this.#all.delete(id);
    return token;
  }
}
