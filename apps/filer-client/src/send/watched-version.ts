import type { BigIntStats } from 'node:fs';
import { identityOf, versionOf } from '@filer/transfer';

/**
 * What something in a watched folder is, in one word: it is sent again when this changes. A folder's times change with
 * all that happens in it, so only its permissions count.
 */
export function watchedVersion(stats: BigIntStats): string {
  return stats.isDirectory() ? `folder:${Number(stats.mode & 0o777n)}` : versionOf(identityOf(stats));
}
