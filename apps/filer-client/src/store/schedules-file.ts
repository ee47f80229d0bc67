import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { FilerError, makeFolders, messageOf, systemCode, writeFailure } from '@filer/protocol';
import type { Database } from '@filer/program';

/** More than any list of schedules: what is larger is some other file. */
const MAX_BYTES = 1024 * 1024;

/** `schedules.toml`, which people and configuration management write, too. */
export class SchedulesFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Changes whenever the file does; cheap. */
  stamp(): string {
    try {
      const { ino, size, mtimeNs, ctimeNs } = statSync(this.path, { bigint: true });
      return [ino, size, mtimeNs, ctimeNs].join(' ');
    } catch (error) {
      return systemCode(error) ?? messageOf(error);
    }
  }

  /** @returns '' when there is none. @throws FilerError `configuration-invalid` */
  read(): string {
    try {
      if (statSync(this.path).size > MAX_BYTES) throw new RangeError('it is larger than 1 MiB');
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(readFileSync(this.path));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return '';
      throw new FilerError('configuration-invalid', `cannot read ${this.path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /**
   * Puts another text in its place, whole or not at all, for its owner alone. Under the lock of the home's database: of
   * two commands at once neither undoes what the other did.
   *
   * @param change returns undefined to leave the file as it is
   * @throws FilerError what `change` throws, `configuration-invalid`, `home-not-writable`, `no-space`
   */
  edit(database: Pick<Database, 'transaction'>, change: (text: string) => string | undefined): void {
    database.transaction(() => {
      const text = change(this.read());
      if (text !== undefined) this.#replace(text);
    });
  }

  #replace(text: string): void {
    const draft = `${this.#target()}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      makeFolders(dirname(draft), 0o700);
      const file = openSync(draft, 'wx', 0o600);
      try {
        // All of it, or an error: a disk that fills up takes a part first.
        writeFileSync(file, text);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(draft, this.#target());
      syncFolder(dirname(draft));
    } catch (error) {
      if (systemCode(error) === undefined) throw error;
      throw writeFailure(`cannot write ${this.path}`, this.path, error);
    } finally {
      rmSync(draft, { force: true });
    }
  }

  /** Where a link leads: it stays a link. */
  #target(): string {
    try {
      return realpathSync(this.path);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    }
    // There is nothing yet, maybe where a link leads.
    const isLink = lstatSync(this.path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
    return isLink ? resolve(dirname(this.path), readlinkSync(this.path)) : this.path;
  }
}

/** Without it a power cut may take back the name that was relied upon. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
