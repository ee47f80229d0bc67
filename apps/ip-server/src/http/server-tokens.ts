import { randomBytes } from 'node:crypto';
import { FilerError } from '@filer/protocol';
import { digestOfToken, Listeners, newToken, type Caller, type Role, type Tokens } from '@filer/program';
import { MAX_TOKENS, type StoredToken, type TokenStore } from '../store/token-store.ts';

/** A use is written down once in this time: reading a page must not write. */
const USED_EVERY_MS = 60_000;

const ID_BYTES = 6;

/** Who may come in over HTTP, as the store knows it: it is asked at each request, since a command or another server may revoke one. */
export class ServerTokens implements Tokens {
  readonly #store: TokenStore;
  readonly #now: () => number;
  readonly #revoked = new Listeners<[id: string]>();
  readonly onRevoked = this.#revoked.add;

  constructor(store: TokenStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  async byDigest(digest: string): Promise<Caller | undefined> {
    return await this.#letIn(await this.#store.byDigest(digest));
  }

  async byId(id: string): Promise<Caller | undefined> {
    return await this.#letIn(await this.#store.byId(id));
  }

  all(): Promise<StoredToken[]> {
    return this.#store.all();
  }

  /** @returns the token, which is told once @throws FilerError `refused` when there are too many */
  async add(
    name: string,
    role: Role,
    expiresMs: number,
  ): Promise<{ readonly token: string; readonly stored: StoredToken }> {
    const token = newToken();
    const createdAt = this.#now();
    const id = randomBytes(ID_BYTES).toString('hex');
    const made = {
      id,
      name,
      role,
      digest: digestOfToken(token),
      createdAt,
      expiresAt: createdAt + expiresMs,
    };
    if (await this.#store.add(made, createdAt)) return { token, stored: { ...made, usedAt: undefined } };
    throw new FilerError(
      'refused',
      `there are ${MAX_TOKENS} tokens already: revoke some with "ip-server dashboard --revoke ID"`,
    );
  }

  /** Ends what is open with it, too. @throws FilerError `path-missing` */
  async revoke(id: string): Promise<StoredToken> {
    const removed = await this.#store.remove(id);
    if (removed === undefined) {
      throw new FilerError(
        'path-missing',
        `there is no token ${JSON.stringify(id)}: "ip-server dashboard --list" shows them`,
      );
    }
    this.#revoked.tell(id);
    return removed;
  }

  async #letIn(token: StoredToken | undefined): Promise<Caller | undefined> {
    const now = this.#now();
    if (token === undefined || token.expiresAt <= now) return undefined;
    const { id, name, role, expiresAt, usedAt = 0 } = token;
    if (now - usedAt >= USED_EVERY_MS) await this.#used(id, now);
    return { id, name, role, expiresAt };
  }

  /** A store that cannot write lets in nevertheless: who looks why must not be locked out. */
  async #used(id: string, now: number): Promise<void> {
    try {
      await this.#store.used(id, now);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
    }
  }
}
