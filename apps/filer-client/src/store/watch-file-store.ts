import { type Database, textIn } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';

/** A file that everyone has who was to get it. */
export interface SettledFile {
  readonly path: string;
  readonly version: string;
}

/** A file that is under another name while it is put away. @see AsideName */
export interface NotedAside {
  readonly file: string;
  readonly aside: string;
  readonly folder: string;
}

/** Files that were put away which are remembered, of all watches: 30 MB of rows. */
const MAX_PUT_AWAY = 200_000;

/** What of watched folders was put into jobs, who is owed it, and what was put away. */
export class WatchFileStore {
  readonly #database: Database;
  readonly #events: ClientEvents;

  constructor(database: Database, events: ClientEvents) {
    this.#database = database;
    this.#events = events;
  }

  /** Those of a few paths whose version is not in a job already. */
  unknown<T extends SettledFile>(watch: number, found: readonly T[]): T[] {
    const find = this.#database.prepare('SELECT version FROM watch_files WHERE watch = ? AND path = ?');
    return found.filter(({ path, version }) => find.get(watch, path)?.['version'] !== version);
  }

  /** What a path is or was known as that was put into a job, the newest first: what was put away since, too. */
  shippedVersions(watch: number, path: string): string[] {
    return ['watch_files', 'watch_put_away'].flatMap((table) =>
      this.#database
        .prepare(`SELECT version FROM ${table} WHERE watch = ? AND path = ?`)
        .all(watch, path)
        .map((row) => textIn(row, 'version')),
    );
  }

  /** Notes that these are in a job. @param owed who must sign for a file before it may be put away; none: it stays */
  note(watch: number, files: readonly SettledFile[], owed: readonly string[]): void {
    const note = this.#database.prepare('INSERT OR REPLACE INTO watch_files VALUES (?, ?, ?)');
    const acquit = this.#database.prepare('DELETE FROM watch_owed WHERE watch = ? AND path = ?');
    const owe = this.#database.prepare('INSERT INTO watch_owed VALUES (?, ?, ?, ?, 0)');
    for (const { path, version } of files) {
      note.run(watch, path, version);
      if (owed.length === 0) continue;
      acquit.run(watch, path);
      for (const peer of owed) owe.run(watch, path, peer, version);
    }
    this.#events.publish('watch', {});
  }

  /** Whether files of a watch wait for signatures, to be put away after them. */
  isOwed(watch: number): boolean {
    return (
      this.#database.prepare('SELECT 1 FROM watch_owed WHERE watch = ? LIMIT 1').get(watch) !== undefined
    );
  }

  /** What was noted of these is dropped: a scan finds them new. */
  forget(watch: number, files: readonly SettledFile[]): void {
    this.#database.transaction(() => {
      for (const table of ['watch_files', 'watch_owed']) {
        const forget = this.#database.prepare(
          `DELETE FROM ${table} WHERE watch = ? AND path = ? AND version = ?`,
        );
        for (const { path, version } of files) forget.run(watch, path, version);
      }
    });
  }

  /** A file was put away, which is remembered for a while: a scan finds another file of its path new. */
  wasPutAway(watch: number, file: SettledFile): void {
    this.#database.transaction(() => {
      this.#database
        .prepare('INSERT OR REPLACE INTO watch_put_away (watch, path, version) VALUES (?, ?, ?)')
        .run(watch, file.path, file.version);
      this.#database
        .prepare('DELETE FROM watch_put_away WHERE row <= (SELECT max(row) FROM watch_put_away) - ?')
        .run(MAX_PUT_AWAY);
    });
    this.forget(watch, [file]);
  }

  /** Files that somebody is owed are found new again, for all. @returns how many */
  forgetOwed(watch: number, peer: string): number {
    return this.#database.transaction(() => {
      const owed = 'SELECT path FROM watch_owed WHERE watch = ?1 AND peer = ?2';
      const forget = `DELETE FROM watch_files WHERE watch = ?1 AND path IN (${owed})`;
      const { changes } = this.#database.prepare(forget).run(watch, peer);
      this.#database
        .prepare(`DELETE FROM watch_owed WHERE watch = ?1 AND path IN (${owed})`)
        .run(watch, peer);
      return Number(changes);
    });
  }

  /** Of what was noted, the next in the order of their paths. */
  page(watch: number, after: string, most: number): SettledFile[] {
    return this.#database
      .prepare('SELECT path, version FROM watch_files WHERE watch = ? AND path > ? ORDER BY path LIMIT ?')
      .all(watch, after, most)
      .map(readSettled);
  }

  /** A recipient has signed for files of a job. */
  signed(watch: number, job: string, peer: string, paths: readonly string[]): void {
    const sign = this.#database.prepare(
      `UPDATE watch_owed SET has = 1 WHERE watch = ?1 AND path = ?2 AND peer = ?3
       AND version = (SELECT version FROM job_files WHERE job = ?4 AND path = ?2)`,
    );
    this.#database.transaction(() => {
      for (const path of paths) sign.run(watch, path, peer, job);
    });
  }

  /** Files that all have signed for who were to: the next in the order of their paths. */
  settled(watch: number, after: string, most: number): SettledFile[] {
    return this.#database
      .prepare(
        `SELECT path, version FROM watch_owed WHERE watch = ? AND path > ?
         GROUP BY path HAVING min(has) = 1 ORDER BY path LIMIT ?`,
      )
      .all(watch, after, most)
      .map(readSettled);
  }

  /** Notes names under which files lie while they are put away. Paths are absolute. */
  noteAsides(watch: number, names: readonly NotedAside[]): void {
    const note = this.#database.prepare('INSERT INTO watch_asides VALUES (?, ?, ?, ?)');
    this.#database.transaction(() => {
      for (const { file, aside, folder } of names) note.run(watch, aside, file, folder);
    });
  }

  dropAsides(names: readonly Pick<NotedAside, 'aside'>[]): void {
    const drop = this.#database.prepare('DELETE FROM watch_asides WHERE aside = ?');
    this.#database.transaction(() => {
      for (const { aside } of names) drop.run(aside);
    });
  }

  /** Names that were noted and not dropped. @param watch undefined for all, those of watches that were removed too */
  asides(watch?: number): NotedAside[] {
    return this.#database
      .prepare('SELECT * FROM watch_asides WHERE watch = ?1 OR ?1 IS NULL')
      .all(watch ?? null)
      .map((row) => ({
        file: textIn(row, 'file'),
        aside: textIn(row, 'aside'),
        folder: textIn(row, 'folder'),
      }));
  }
}

function readSettled(row: Record<string, unknown>): SettledFile {
  return { path: textIn(row, 'path'), version: textIn(row, 'version') };
}
