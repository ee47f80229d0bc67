import { digestOfToken, newToken, type Caller, type Tokens } from '@filer/program';

/** The one user of the page: who may run commands on this machine. */
const OWNER: Caller = { id: 'owner', name: 'page', role: 'admin' };

/** How long a link can be opened, in ms: a person opens it at once. The session of the browser lasts longer. */
const LINK_MS = 15 * 60_000;

/** Links that can be opened at once; the oldest give way. */
const MAX_LINKS = 16;

/** Tokens of links to the page. They are in memory alone: each `open` makes a new one. */
export class PageTokens implements Tokens {
  readonly #now: () => number;
  /** When each expires, by digest. */
  readonly #links = new Map<string, number>();

  /** @param now ms of a clock that does not jump */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns the token of a new link */
  add(): string {
    const token = newToken();
    this.#links.set(digestOfToken(token), this.#now() + LINK_MS);
    for (const oldest of this.#links.keys()) {
      if (this.#links.size <= MAX_LINKS) break;
      this.#links.delete(oldest);
    }
    return token;
  }

  byDigest(digest: string): Promise<Caller | undefined> {
    const expires = this.#links.get(digest) ?? 0;
    return Promise.resolve(expires > this.#now() ? OWNER : undefined);
  }

  byId(id: string): Promise<Caller | undefined> {
    return Promise.resolve(id === OWNER.id ? OWNER : undefined);
  }

  onRevoked(): () => void {
    return () => undefined; // links are never revoked
  }
}
