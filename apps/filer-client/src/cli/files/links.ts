import { FilerError } from '@filer/protocol';
import { flag } from '@filer/program';
import type { SentLinks } from '../../jobs/send-request.ts';

export const linkArguments = {
  copyLinks: flag('send what links in folders lead to, in their place'),
  skipLinks: flag('do not send links that are in folders'),
};

/** What to do with links, by the two flags. @throws FilerError `usage` */
export function linksOf({ copyLinks, skipLinks }: { copyLinks: boolean; skipLinks: boolean }): SentLinks {
  if (copyLinks && skipLinks)
    throw new FilerError('usage', '--copy-links sends what --skip-links leaves out: give one of them');
  return copyLinks ? 'copy' : skipLinks ? 'skip' : 'keep';
}
