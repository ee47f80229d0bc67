import { FilerError, type ErrorCode, type Offer } from '@filer/protocol';
import { formatBytes } from '@filer/program';
import { parseSafePath, type FreeSpace } from '@filer/transfer';
import type { ClientSettings } from '../settings.ts';
import type { ForeseenRefusal } from '../store/offer-store.ts';

/** Names that are told one by one. */
const MAX_NAMES = 5;

/**
 * What the policy here will refuse of an offer, as far as the offer tells: names, the largest file, and what does not fit now. A
 * person hears of it before saying yes.
 */
export async function foreseenRefusals(
  offer: Offer,
  { maxFileSize = Infinity }: Pick<ClientSettings, 'maxFileSize'>,
  space: Pick<FreeSpace, 'left'>,
): Promise<ForeseenRefusal[]> {
  const refusals = refusedNames(offer.names);
  const largest = largestOf(offer);
  if (largest > maxFileSize)
    refusals.push({
      code: 'too-large',
      message: `its largest file has ${formatBytes(largest)}, and max-file-size is ${formatBytes(maxFileSize)}`,
    });
  const left = await space.left(offer.bytes);
  if (offer.bytes > left.bytes)
    refusals.push(
      full(
        `it has ${formatBytes(offer.bytes)}, and ${formatBytes(Math.max(0, left.bytes))} are free on the disk or within inbox-quota`,
      ),
    );
  else if (offer.files > left.files)
    refusals.push(full(`it has ${offer.files} files, and the disk takes ${Math.max(0, left.files)} more`));
  return refusals;
}

/** An older sender does not tell it: then one file at least has the average size. */
function largestOf({ largest, bytes, files }: Offer): number {
  return largest ?? Math.ceil(bytes / Math.max(1, files));
}

function refusedNames(names: readonly string[]): ForeseenRefusal[] {
  const refused = names.flatMap((name) => {
    try {
      parseSafePath(name);
      return [];
    } catch (error) {
      if (error instanceof FilerError) return [{ code: error.code, message: error.message }];
      throw error;
    }
  });
  const more = refused.length - MAX_NAMES;
  if (more <= 0) return refused;
  const code: ErrorCode = 'name-refused';
  return [...refused.slice(0, MAX_NAMES), { code, message: `${more} more names are refused` }];
}

function full(why: string): ForeseenRefusal {
  return {
    code: 'no-space',
    message: `${why}: what does not fit when it comes is refused, unless it is here already`,
  };
}
