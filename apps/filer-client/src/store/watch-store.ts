import { type Database, integerIn, NO_EVENTS, textIn } from '@filer/program';
import type { ClientEvents } from '../api/contract/events.ts';
import { FilerError } from '@filer/protocol';

/** A folder whose new and changed files go to others. */
export interface Watch {
  readonly id: number;
  /** What the folder is called at the receivers; no other watch has it. */
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  /** As JSON. @see WatchOptions */
  readonly options: string;
  readonly addedAt: number;
  /** Files that came to a recipient; one that came to two counts twice. */
  readonly shipped: number;
  readonly lastShippedAt: number | undefined;
}

/** How a recipient of one of a watch's jobs stands, which is to be noted. */
export interface WatchDelivery {
  readonly job: string;
  readonly peer: string;
  /** @see KeptDelivery */
  readonly name: string;
  readonly state: string;
  readonly status: string;
  readonly code: string | null;
  readonly files: number;
}

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

/** One end of a delivery, told from the end of another try; `r` is its row. */
const END = "r.state || ' ' || coalesce(r.finished_at, '')";

/** Folders of recipients that are remembered for each watch: with dates in their names there is one a day. */
const MAX_PLACES = 100;

/** Files that were put away which are remembered, of all watches: 30 MB of rows. */
const MAX_PUT_AWAY = 200_000;

/** Watched folders, and what of them was put into jobs. */
export class WatchStore {
  readonly #database: Database;

  readonly #events: ClientEvents;

  constructor(database: Database, events: ClientEvents = NO_EVENTS) {
    this.#database = database;
    this.#events = events;
  }

  /** @throws FilerError `name-taken` */
  add(watch: Pick<Watch, 'name' | 'folder' | 'options' | 'addedAt'>): Watch {
    const { name, folder, options, addedAt } = watch;
    const row = this.#database
      .prepare(
        `INSERT INTO watches (name, folder, options, added_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO NOTHING RETURNING *`,
      )
      .get(name, folder, options, addedAt);
    if (row !== undefined) {
      this.#changed();
      return readWatch(row);
    }
    throw new FilerError(
      'name-taken',
      `a watch is called ${JSON.stringify(name)} already: remove that one and name all its targets in the new one, or choose another name with --as`,
    );
  }

  /** Its jobs continue, and files that lie aside stay noted. @returns whether there was one */
  remove(id: number): boolean {
    this.#changed();
    return this.#database.transaction(() => {
      for (const table of [
        'watch_files',
        'watch_deliveries',
        'watch_owed',
        'watch_places',
        'watch_put_away',
        'watch_mirrors',
      ])
        this.#database.prepare(`DELETE FROM ${table} WHERE watch = ?`).run(id);
      return Number(this.#database.prepare('DELETE FROM watches WHERE id = ?').run(id).changes) > 0;
    });
  }

  get(id: number): Watch | undefined {
    const row = this.#database.prepare('SELECT * FROM watches WHERE id = ?').get(id);
    return row === undefined ? undefined : readWatch(row);
  }

  setOptions(id: number, options: string): void {
    this.#database.prepare('UPDATE watches SET options = ? WHERE id = ?').run(options, id);
    this.#changed();
  }

  /** In the order in which they were added. */
  all(): Watch[] {
    return this.#database.prepare('SELECT * FROM watches ORDER BY id').all().map(readWatch);
  }

  /** Does something as one transaction. */
  together<T>(work: () => T): T {
    return this.#database.transaction(work);
  }

  /** By what the folder is known of which removals count; undefined before any has been. */
  root(watch: number): string | undefined {
    const row = this.#database.prepare('SELECT root FROM watches WHERE id = ?').get(watch);
    return row === undefined || row['root'] === null ? undefined : textIn(row, 'root');
  }

  setRoot(watch: number, root: string): void {
    this.#database.prepare('UPDATE watches SET root = ? WHERE id = ?').run(root, watch);
  }

  /** Files are gone that were put into jobs: all recipients of the watch are to remove them. */
  noticeRemoved(watch: number, files: readonly SettledFile[]): void {
    this.#database.transaction(() => {
      this.#database.prepare('UPDATE watches SET removals = removals + 1 WHERE id = ?').run(watch);
      this.forget(watch, files);
    });
  }

  /** Up to which removal a recipient is to be told; undefined for one who has heard of all. */
  owedRemovals(watch: number, peer: string): number | undefined {
    const row = this.#database
      .prepare(
        `SELECT w.removals FROM watches w WHERE w.id = ?1 AND NOT EXISTS
           (SELECT 1 FROM watch_mirrors m WHERE m.watch = ?1 AND m.peer = ?2 AND m.removals >= w.removals)`,
      )
      .get(watch, peer);
    return row === undefined ? undefined : integerIn(row, 'removals');
  }

  /** Deliveries of a watch that were cancelled, with the removals that were noticed in it up to now. */
  cancelled(watch: number): { readonly job: string; readonly peer: string; readonly removals: number }[] {
    return this.#database
      .prepare(
        `SELECT d.job, d.peer, w.removals FROM watch_deliveries d JOIN watches w ON w.id = d.watch
         JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer WHERE d.watch = ? AND r.state = 'cancelled'`,
      )
      .all(watch)
      .map((row) => ({
        job: textIn(row, 'job'),
        peer: textIn(row, 'peer'),
        removals: integerIn(row, 'removals'),
      }));
  }

  /** A recipient has removed what it was to, up to a removal. */
  noteMirrored(watch: number, peer: string, removals: number): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO watch_mirrors VALUES (?, ?, ?)')
      .run(watch, peer, removals);
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

  /** Notes below which folder of its inbox a recipient has the files of a watch. The newest are kept. */
  notePlace(watch: number, place: string): void {
    const known = this.#database.prepare('SELECT 1 FROM watch_places WHERE watch = ? AND place = ?');
    if (known.get(watch, place) !== undefined) return;
    this.#database.prepare('INSERT INTO watch_places (watch, place) VALUES (?, ?)').run(watch, place);
    this.#database
      .prepare(
        `DELETE FROM watch_places WHERE watch = ?1 AND rowid NOT IN
           (SELECT rowid FROM watch_places WHERE watch = ?1 ORDER BY rowid DESC LIMIT ?2)`,
      )
      .run(watch, MAX_PLACES);
  }

  /** @see notePlace */
  places(watch: number): string[] {
    return this.#database
      .prepare('SELECT place FROM watch_places WHERE watch = ?')
      .all(watch)
      .map((row) => textIn(row, 'place'));
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
    this.#changed();
  }

  /** Whether files of a watch wait for signatures, to be put away after them. */
  isOwed(watch: number): boolean {
    return (
      this.#database.prepare('SELECT 1 FROM watch_owed WHERE watch = ? LIMIT 1').get(watch) !== undefined
    );
  }

  /** What was noted of these is not so any more: the one who finds them finds them new. */
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

  /** A file was put away, which is remembered for a while: the one who finds another one of its path finds it new. */
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

  /** A job is a watch's, for these recipients. */
  own(watch: number, job: string, peers: readonly string[]): void {
    const own = this.#database.prepare('INSERT INTO watch_deliveries (job, peer, watch) VALUES (?, ?, ?)');
    for (const peer of peers) own.run(job, peer, watch);
  }

  /** How a delivery ends is no affair of the watch any more; files that its job brought to no one else are forgotten. */
  disown(job: string, peer: string): void {
    this.#database.prepare('DELETE FROM watch_deliveries WHERE job = ? AND peer = ?').run(job, peer);
    this.#forgetFiles(job);
  }

  /** Whether a recipient has not got all of a watch's jobs to an end. */
  isBehind(watch: number, peer: string): boolean {
    const row = this.#database
      .prepare(
        `SELECT 1 FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND d.peer = ? AND r.state IN ('queued', 'running', 'paused') LIMIT 1`,
      )
      .get(watch, peer);
    return row !== undefined;
  }

  /** The job of a recipient alone that no one has begun with: more may be put into it. */
  openJob(watch: number, peer: string): string | undefined {
    const row = this.#database
      .prepare(
        `SELECT d.job FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND d.peer = ? AND r.state = 'queued' AND r.started_at IS NULL
           AND (SELECT count(*) FROM job_recipients o WHERE o.job = d.job) = 1
         ORDER BY r.rowid DESC LIMIT 1`,
      )
      .get(watch, peer);
    return row === undefined ? undefined : textIn(row, 'job');
  }

  /** Files of a watch in jobs that run, wait or are paused. */
  waiting(watch: number): number {
    const row = this.#database
      .prepare(
        `SELECT count(DISTINCT path) AS n FROM job_files WHERE version NOT LIKE 'folder:%' AND job IN (
           SELECT d.job FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
           WHERE d.watch = ? AND r.state IN ('queued', 'running', 'paused'))`,
      )
      .get(watch);
    return integerIn(row ?? {}, 'n');
  }

  /** Deliveries of a watch that ended, otherwise than was noted of them. */
  ended(watch: number): WatchDelivery[] {
    return this.#database
      .prepare(
        `SELECT r.*, r.files_sent + r.files_skipped - r.files_kept AS files
         FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND r.state NOT IN ('queued', 'running', 'paused') AND d.noted <> ${END} ORDER BY r.rowid`,
      )
      .all(watch)
      .map(readDelivery);
  }

  /** Deliveries of a watch that failed for good, newest first. */
  failed(watch: number): WatchDelivery[] {
    return this.#database
      .prepare(
        `SELECT r.*, r.files_failed AS files
         FROM watch_deliveries d JOIN job_recipients r ON r.job = d.job AND r.peer = d.peer
         WHERE d.watch = ? AND r.state = 'failed' ORDER BY r.finished_at DESC, r.rowid DESC`,
      )
      .all(watch)
      .map(readDelivery);
  }

  /** Notes how a delivery ended; of one that came to its good end nothing is left but what was counted. */
  noteEnd(watch: number, { job, peer, state, files }: WatchDelivery, now: number): void {
    this.#changed();
    this.#database.transaction(() => {
      if (state !== 'delivered') {
        this.#database
          .prepare(
            `UPDATE watch_deliveries SET noted =
               (SELECT ${END} FROM job_recipients r WHERE r.job = ?1 AND r.peer = ?2)
             WHERE job = ?1 AND peer = ?2`,
          )
          .run(job, peer);
        return;
      }
      this.disown(job, peer);
      this.#database
        .prepare('UPDATE watches SET shipped = shipped + ?1, last_shipped_at = ?2 WHERE id = ?3 AND ?1 > 0')
        .run(files, now, watch);
    });
  }

  #changed(): void {
    this.#events.publish('watch', {});
  }

  #forgetFiles(job: string): void {
    this.#database
      .prepare(
        'DELETE FROM job_files WHERE job = ?1 AND NOT EXISTS (SELECT 1 FROM watch_deliveries WHERE job = ?1)',
      )
      .run(job);
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
}

function readWatch(row: Record<string, unknown>): Watch {
  return {
    id: integerIn(row, 'id'),
    name: textIn(row, 'name'),
    folder: textIn(row, 'folder'),
    options: textIn(row, 'options'),
    addedAt: integerIn(row, 'added_at'),
    shipped: integerIn(row, 'shipped'),
    lastShippedAt: row['last_shipped_at'] === null ? undefined : integerIn(row, 'last_shipped_at'),
  };
}

function readSettled(row: Record<string, unknown>): SettledFile {
  return { path: textIn(row, 'path'), version: textIn(row, 'version') };
}

function readDelivery(row: Record<string, unknown>): WatchDelivery {
  return {
    job: textIn(row, 'job'),
    peer: textIn(row, 'peer'),
    name: textIn(row, 'name'),
    state: textIn(row, 'state'),
    status: textIn(row, 'status'),
    code: row['code'] === null ? null : textIn(row, 'code'),
    files: integerIn(row, 'files'),
  };
}
