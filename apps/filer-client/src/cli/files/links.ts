import { FilerError } from '@filer/protocol';
import type { SentLinks } from '../../jobs/send-request.ts';

/** What becomes of links, by the two flags. @throws FilerError `usage` */
export function linksOf({ copyLinks, skipLinks }: { copyLinks: boolean; skipLinks: boolean }): SentLinks {
  if (copyLinks && skipLinks)
    throw new FilerError('usage', '--copy-links sends what --skip-links leaves out: give one of them');
  return copyLinks ? 'copy' : skipLinks ? 'skip' : 'keep';
}
