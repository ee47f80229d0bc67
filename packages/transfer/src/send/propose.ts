import { FilerError, formatOffer, takenBy, type Offer, type TakenMessages } from '@filer/protocol';
import type { Requests } from '../wire/requests.ts';

/**
 * Offers; a receiver that wants to know first how much there is, is told.
 *
 * @param count counts all that is to be sent
 * @returns which messages the receiver takes
 * @throws FilerError the refusal
 */
export async function propose(
  requests: Requests,
  offer: Offer,
  count: () => Promise<Pick<Offer, 'files' | 'bytes' | 'largest' | 'names' | 'contents'>>,
): Promise<TakenMessages> {
  const ask = (given: Offer): Promise<TakenMessages> =>
    requests.ask('answer', (id) => formatOffer(given, id), takenBy);
  try {
    return await ask(offer);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'totals-needed' || offer.complete) throw error;
    return await ask({ ...offer, ...(await count()), complete: true });
  }
}
