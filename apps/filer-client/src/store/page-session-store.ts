import { integerIn, textIn, type Database, type Row } from '@filer/program';

/** A browser that was let in to the page of this machine. Times are ms since the epoch. */
export interface PageSession {
  readonly id: string;
  readonly browser: string;
  readonly begunAt: number;
  readonly usedAt: number;
  readonly expiresAt: number;
}

/** A person has a few browsers; the oldest give way. */
const MAX_SESSIONS = 32;

/** A use is noted so often, in ms. */
const USED_EVERY_MS = 60_000;

/** Who is let in to the page of this machine. */
export class PageSessionStore {
  readonly #database: Database;
  readonly #now: () => number;

  /** @param now as the cookies of the sessions have it */
  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  /** Keeps a new one. @returns those that gave way to it */
  add(session: Omit<PageSession, 'usedAt'>): PageSession[] {
    const { id, browser, begunAt, expiresAt } = session;
    return this.#database.transaction(() => {
      this.#database.prepare('DELETE FROM page_sessions WHERE expires_at <= ?').run(this.#now());
      this.#database
        .prepare('INSERT INTO page_sessions VALUES (?, ?, ?, ?, ?)')
        .run(id, browser.toWellFormed(), begunAt, begunAt, expiresAt);
      return this.all()
        .slice(0, -MAX_SESSIONS)
        .flatMap(({ id: oldest }) => this.end(oldest) ?? []);
    });
  }

  /** Oldest first. */
  all(): PageSession[] {
    return this.#database
      .prepare('SELECT * FROM page_sessions WHERE expires_at > ? ORDER BY rowid', { bigInts: true })
      .all(this.#now())
      .map(readSession);
  }

  /** A session that still lasts, which is used now. */
  used(id: string): PageSession | undefined {
    const session = this.#get(id);
    const now = this.#now();
    if (session !== undefined && now - session.usedAt >= USED_EVERY_MS)
      this.#database.prepare('UPDATE page_sessions SET used_at = ? WHERE id = ?').run(now, id);
    return session;
  }

  /** @returns what it was; undefined for one that there is not */
  end(id: string): PageSession | undefined {
    const session = this.#get(id);
    this.#database.prepare('DELETE FROM page_sessions WHERE id = ?').run(id);
    return session;
  }

  #get(id: string): PageSession | undefined {
    const row = this.#database
      .prepare('SELECT * FROM page_sessions WHERE id = ? AND expires_at > ?', { bigInts: true })
      .get(id, this.#now());
    return row === undefined ? undefined : readSession(row);
  }
}

function readSession(row: Row): PageSession {
  return {
    id: textIn(row, 'id'),
    browser: textIn(row, 'browser'),
    begunAt: integerIn(row, 'begun_at'),
    usedAt: integerIn(row, 'used_at'),
    expiresAt: integerIn(row, 'expires_at'),
  };
}
