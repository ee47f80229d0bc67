import { existsSync, statSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { DatabaseSync } from 'node:sqlite';
import { FilerError, writeFailure } from '@filer/protocol';

/** The home is ours until `release` or until this process ends, however it ends. */
export interface Lock {
  release(): Promise<void>;
}

/** Locks of this process: a database that no one refers to is closed by the garbage collector. */
const held = new Set<DatabaseSync>();

/** SQLite's result codes for "somebody else has it": SQLITE_BUSY and SQLITE_LOCKED. */
const BUSY = new Set([5, 6]);

/** Tries at reading the pid of a holder that has just locked and not said so yet, and the pause between. */
const PID_TRIES = 20;
const PID_PAUSE_MS = 25;

/**
 * Takes a home for the one process that may hold it. The lock is SQLite's own on a database file, so the
 * system drops it when the process dies and nothing has to be cleaned up; beside it, `FILE.pid` says who
 * holds it, for people only.
 *
 * @param options `passing`: the file goes with the lock, for one that is held for a while and not for a home's life
 * @throws FilerError `already-running` with the holder's pid, `home-not-writable`, `no-space`
 */
export async function acquireLock(
  file: string,
  { passing = false }: { readonly passing?: boolean } = {},
): Promise<Lock> {
  const pidFile = `${file}.pid`;
  let database: DatabaseSync | undefined;
  let inode: bigint | undefined;
  try {
    if (passing) {
      // Made by SQLite: closing a descriptor of our own would drop all locks that this process has on the file.
      if (!existsSync(file)) new DatabaseSync(file).close();
      inode = inodeOf(file);
    }
    database = new DatabaseSync(file);
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    database?.close();
    if (passing && inodeOf(file) !== inode) return await acquireLock(file, { passing });
    if (!isBusy(error)) {
      throw writeFailure(`cannot lock ${file}`, file, error);
    }
    const pid = await livingPid(pidFile);
    throw new FilerError(
      'already-running',
      `this home is in use by ${pid === undefined ? 'another process' : `process ${pid}`}, ` +
        'stop that one first or choose another home',
      { cause: error },
    );
  }
  if (passing && (inode === undefined || inodeOf(file) !== inode)) {
    // Its last holder has removed it meanwhile: this lock would keep no one out.
    database.close();
    return await acquireLock(file, { passing });
  }
  held.add(database);
  const open = database;
  try {
    await writeFile(pidFile, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    held.delete(open);
    open.close();
    throw writeFailure(`cannot write ${pidFile}`, pidFile, error);
  }
  return {
    release: async () => {
      if (!held.delete(open)) return;
      await rm(pidFile, { force: true });
      if (passing) await rm(file, { force: true });
      open.close();
    },
  };
}

function inodeOf(file: string): bigint | undefined {
  return statSync(file, { bigint: true, throwIfNoEntry: false })?.ino;
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && BUSY.has(Number(error.errcode) & 0xff);
}

/** The holder's pid; a leftover of a dead process is passed over until the new holder has written its own. */
async function livingPid(pidFile: string): Promise<number | undefined> {
  for (let tries = 0; tries < PID_TRIES; tries += 1) {
    const text = await readFile(pidFile, 'utf8').catch(() => '');
    const pid = /^[1-9][0-9]{0,9}\n$/.test(text) ? Number(text) : undefined;
    if (pid !== undefined && isAlive(pid)) return pid;
    await wait(PID_PAUSE_MS);
  }
  return undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
