import { randomBytes } from 'node:crypto';
import { digestOfToken, Listeners, newToken, SESSION_MS, type Caller, type Tokens } from '@filer/program';
import type { PageSession, PageSessionStore } from '../store/page-session-store.ts';

/** How long a link can be opened, in ms: a person opens it at once. The session of the browser lasts longer. */
const LINK_MS = 15 * 60_000;

/** Links that can be opened at once; the oldest give way. */
const MAX_LINKS = 16;

/** Of what a browser calls itself. */
const MAX_BROWSER_CHARS = 300;

/** Bytes of an id of a session: short to type, and it lets no one in. */
const ID_BYTES = 4;

interface Link {
  readonly id: string;
  readonly expires: number;
}

/**
 * Who comes in to the page of this machine: who runs commands on it, with the link that `open` prints. Links are in memory alone. Each
 * browser that opens one has a session of its own, on the disk: it lasts over a restart, and can be ended.
 */
export class PageAccess implements Tokens {
  readonly #store: PageSessionStore;
  readonly #now: () => number;
  /** By digest. */
  readonly #links = new Map<string, Link>();
  readonly #revoked = new Listeners<[id: string]>();
  readonly onRevoked = this.#revoked.add;

  /** @param now ms of a clock that does not jump */
  constructor(store: PageSessionStore, now: () => number = () => performance.now()) {
    this.#store = store;
    this.#now = now;
  }

  /** @returns the token of a new link */
  add(): string {
    const token = newToken();
    this.#links.set(digestOfToken(token), { id: newId(), expires: this.#now() + LINK_MS });
    for (const [oldest, { id }] of this.#links) {
      if (this.#links.size <= MAX_LINKS) break;
      this.#links.delete(oldest);
      this.#revoked.tell(id);
    }
    return token;
  }

  byDigest(digest: string): Promise<Caller | undefined> {
    const link = this.#links.get(digest);
    return Promise.resolve(link !== undefined && this.#isOpen(link) ? callerOf(link.id) : undefined);
  }

  byId(id: string): Promise<Caller | undefined> {
    const session = this.#store.used(id);
    if (session !== undefined) return Promise.resolve(callerOf(id, session.expiresAt));
    const isOpen = [...this.#links.values()].some((link) => link.id === id && this.#isOpen(link));
    return Promise.resolve(isOpen ? callerOf(id) : undefined);
  }

  beginSession(_: Caller, browser: string): Promise<Caller> {
    const begunAt = Date.now();
    const id = newId();
    const session = {
      id,
      browser: browser.slice(0, MAX_BROWSER_CHARS),
      begunAt,
      expiresAt: begunAt + SESSION_MS,
    };
    for (const { id: gone } of this.#store.add(session)) this.#revoked.tell(gone);
    return Promise.resolve(callerOf(id, session.expiresAt));
  }

  /** @returns what it was */
  endSession(id: string): PageSession | undefined {
    const ended = this.#store.end(id);
    this.#revoked.tell(id);
    return ended;
  }

  /** Ends all sessions, and all links. */
  endAll(): PageSession[] {
    for (const { id } of this.#links.values()) this.#revoked.tell(id);
    this.#links.clear();
    return this.#store.all().flatMap(({ id }) => this.endSession(id) ?? []);
  }

  #isOpen({ expires }: Link): boolean {
    return expires > this.#now();
  }
}

function newId(): string {
  return randomBytes(ID_BYTES).toString('hex');
}

/** Each is the user of this machine. */
function callerOf(id: string, expiresAt?: number): Caller {
  return { id, name: 'page', role: 'admin', ...(expiresAt === undefined ? {} : { expiresAt }) };
}
