import { type Database, integerIn, NO_EVENTS, textIn } from '@filer/program';
import { FilerError } from '@filer/protocol';
import type { ClientEvents } from '../api/contract/events.ts';
import { WatchDeliveryStore } from './watch-delivery-store.ts';
import { WatchFileStore, type SettledFile } from './watch-file-store.ts';

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

/** Folders of recipients that are remembered for each watch: with dates in their names there is one a day. */
const MAX_PLACES = 100;

/** Watched folders. */
export class WatchStore {
  readonly files: WatchFileStore;
  readonly deliveries: WatchDeliveryStore;
  readonly #database: Database;
  readonly #events: ClientEvents;

  constructor(database: Database, events: ClientEvents = NO_EVENTS) {
    this.files = new WatchFileStore(database, events);
    this.deliveries = new WatchDeliveryStore(database, events);
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
      this.#events.publish('watch', {});
      return readWatch(row);
    }
    throw new FilerError(
      'name-taken',
      `a watch is called ${JSON.stringify(name)} already: remove that one and name all its targets in the new one, or choose another name with --as`,
    );
  }

  /** Its jobs continue, and files that lie aside stay noted. @returns whether there was one */
  remove(id: number): boolean {
    this.#events.publish('watch', {});
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
    this.#events.publish('watch', {});
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
      this.files.forget(watch, files);
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

  /** A recipient has removed what it was to, up to a removal. */
  noteMirrored(watch: number, peer: string, removals: number): void {
    this.#database
      .prepare('INSERT OR REPLACE INTO watch_mirrors VALUES (?, ?, ?)')
      .run(watch, peer, removals);
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
