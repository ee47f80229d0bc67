import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { systemCode } from './errors.ts';

/**
 * Makes a folder, and those above it that are missing. Node's own way of it never returns where the system makes
 * no folders and says that there is nothing (below `/proc`), and says ENOENT of a disk that is mounted read-only.
 *
 * @param mode of those that are made
 * @throws the system's error
 */
export function makeFolders(path: string, mode = 0o777): void {
  makeFrom(resolve(path), mode);
}

function makeFrom(path: string, mode: number): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path) makeFrom(above, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST' || !isFolder(path)) throw error;
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
