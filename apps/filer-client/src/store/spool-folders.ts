import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import type { Database } from '@filer/program';

/** A folder that is being removed: a start that finds one removes it. */
const GONE = '.gone';

/**
 * The folders in which the spool keeps copies of what reports attach, one for each report. A folder is named
 * `PID-RANDOM` by the process that fills it, and belongs to no one when that process has gone and no report names it.
 */
export class SpoolFolders {
  readonly root: string;
  readonly #database: Database;

  constructor(database: Database, root: string) {
    this.#database = database;
    this.root = root;
  }

  /** A name for a folder that is not there yet. */
  fresh(): string {
    return `${process.pid}-${randomBytes(12).toString('hex')}`;
  }

  path(folder: string): string {
    return join(this.root, folder);
  }

  /** To be called in the transaction that names the folder. @throws FilerError `path-missing` */
  requireThere(folder: string): void {
    if (existsSync(this.path(folder))) return;
    throw new FilerError('path-missing', 'the attachments were removed meanwhile: report them again');
  }

  /** Removes what a report no longer needs. What cannot be removed now is removed at the next start. */
  remove(folder: string): void {
    try {
      rmSync(this.path(folder), { recursive: true, force: true });
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
    }
  }

  /** Removes what killed processes left. @returns how many folders */
  clean(): number {
    let removed = 0;
    for (const folder of this.#all()) {
      if (!folder.endsWith(GONE) && !this.#takeAway(folder)) continue;
      this.remove(folder.endsWith(GONE) ? folder : `${folder}${GONE}`);
      removed++;
    }
    return removed;
  }

  /** Under the database's lock: no one can name the folder meanwhile. @returns whether it was no one's */
  #takeAway(folder: string): boolean {
    const pid = Number(folder.split('-')[0]);
    if (pid !== process.pid && isAlive(pid)) return false;
    return this.#database.transaction(() => {
      const named = this.#database.prepare('SELECT 1 FROM spool WHERE folder = ?').get(folder);
      if (named !== undefined) return false;
      renameSync(this.path(folder), this.path(`${folder}${GONE}`));
      return true;
    });
  }

  #all(): string[] {
    try {
      return readdirSync(this.root);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === 'EPERM';
  }
}
