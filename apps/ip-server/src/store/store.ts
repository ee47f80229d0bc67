import type { Store } from './interfaces.ts';
import { openSqliteStore } from './sqlite/open.ts';

/** Opens the store of a home: which engine that is, is said here only. @see openSqliteStore */
export function openStore(file: string, busyTimeoutMs?: number): Promise<Store> {
  return openSqliteStore(file, busyTimeoutMs);
}
