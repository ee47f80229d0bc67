import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { processEnvironment, variable, type Environment } from './environment.ts';

/**
 * Has Node keep what it compiles of this program, so that the next start need not compile it: in the program's own folder
 * where this user may write, else in the user's folder for caches. What is kept there is run, so a folder that another user
 * could write to is not used; where no folder is left, nothing is kept.
 *
 * @param bin the folder of the program's commands, absolute; its own folder is the one above
 */
export function keepCompiled(bin: string): void {
  const folder = compileCacheIn(dirname(bin), processEnvironment());
  if (folder !== undefined) enableCompileCache(folder);
}

/** Where compiled code is kept, made if missing; undefined for nowhere. */
export function compileCacheIn(program: string, env: Environment): string | undefined {
  const own = join(program, '.compiled');
  if (isPrivate(own)) return own;
  const caches = userCaches(env);
  if (caches === undefined) return undefined;
  if (!isKept(dirname(caches))) return undefined;
  made(caches);
  if (!isKept(caches)) return undefined;
  const users = join(caches, 'filer');
  return isPrivate(users) ? users : undefined;
}

function userCaches(env: Environment): string | undefined {
  const named = variable(env, 'XDG_CACHE_HOME');
  if (named !== undefined && isAbsolute(named)) return named;
  const home = variable(env, 'HOME') ?? attempted(homedir);
  return home !== undefined && isAbsolute(home) ? join(home, '.cache') : undefined;
}

/** Whether a folder is there, or can be made, that this user alone writes to. */
function isPrivate(folder: string): boolean {
  made(folder);
  const found = attempted(() => lstatSync(folder, { throwIfNoEntry: false }));
  if (found?.isDirectory() !== true) return false;
  return found.uid === (process.geteuid?.() ?? found.uid) && (found.mode & 0o022) === 0;
}

/** Whether no other user can put another folder in the place of one in this folder: the owner can (HOME after `sudo -E`). */
function isKept(folder: string): boolean {
  const found = attempted(() => statSync(folder, { throwIfNoEntry: false }));
  if (found?.isDirectory() !== true) return false;
  const isOwn = found.uid === 0 || found.uid === (process.geteuid?.() ?? found.uid);
  return isOwn && ((found.mode & 0o022) === 0 || (found.mode & STICKY) !== 0);
}

/** What is in such a folder is removed or renamed by its owner alone. */
const STICKY = 0o1000;

/** Makes a folder in one that is there. */
function made(folder: string): void {
  if (!existsSync(folder)) attempted(() => mkdirSync(folder, 0o700));
}

/** A start that goes without costs time and nothing else. */
function attempted<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
