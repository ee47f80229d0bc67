import { readFileSync } from 'node:fs';
import { systemCode } from '@filer/protocol';

/** Bits for owner, group and others: set-user-id, set-group-id and sticky never travel. */
const PERMISSIONS = 0o777;

/** Limits the modes that another machine gives its files to what a program of this user would give them. */
export type PermittedMode = (mode: number) => number;

/** By this process's umask as it is now. */
export function permittedMode(): PermittedMode {
  const allowed = PERMISSIONS & ~umask();
  return (mode) => mode & allowed;
}

/**
 * Read without being set where the system tells: between the two calls that it takes otherwise, another thread that makes
 * a file would do so with the other umask.
 */
function umask(): number {
  try {
    const [, octal] = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
    if (octal !== undefined) return parseInt(octal, 8);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
  const before = process.umask(0o077);
  process.umask(before);
  return before;
}
