import { FilerError } from '@filer/protocol';
import { integerIn, textIn, type Database } from '@filer/program';
import { parseTexts } from './kept-json.ts';

/** A folder that this machine offers. */
export interface Share {
  readonly name: string;
  /** Absolute and without links. */
  readonly folder: string;
  /** Whose members may look into it; empty for every member. */
  readonly groups: readonly string[];
  /** For the ip-server's collects only: no member sees it. */
  readonly forServer: boolean;
  readonly addedAt: number;
}

/** The shares of a home: each question is answered with what is here at that moment. */
export class ShareStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @throws FilerError `name-taken` */
  add({ name, folder, groups, forServer, addedAt }: Share): void {
    const { changes } = this.#database
      .prepare('INSERT INTO shares VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING')
      .run(name, folder, JSON.stringify(groups), forServer ? 1 : 0, addedAt);
    if (changes > 0) return;
    throw new FilerError(
      'name-taken',
      `there is a share called ${JSON.stringify(name)} already: choose another name with --as, or remove that one first`,
    );
  }

  /** @returns whether there was one */
  remove(name: string): boolean {
    return this.#database.prepare('DELETE FROM shares WHERE name = ?').run(name).changes > 0;
  }

  get(name: string): Share | undefined {
    const row = this.#database.prepare('SELECT * FROM shares WHERE name = ?').get(name);
    return row === undefined ? undefined : readShare(row);
  }

  /** By name. */
  all(): Share[] {
    return this.#database.prepare('SELECT * FROM shares ORDER BY name').all().map(readShare);
  }
}

function readShare(row: Record<string, unknown>): Share {
  return {
    name: textIn(row, 'name'),
    folder: textIn(row, 'folder'),
    groups: parseTexts(textIn(row, 'groups')),
    forServer: integerIn(row, 'for_server') === 1,
    addedAt: integerIn(row, 'added_at'),
  };
}
