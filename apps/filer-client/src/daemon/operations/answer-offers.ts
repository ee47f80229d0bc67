import { FilerError } from '@filer/protocol';
import type { transferMethods } from '../../api/contract/transfers.ts';
import { requireKnownPeer } from '../../network/known-peer.ts';
import type { AskedOffer } from '../../store/offer-store.ts';
import type { OperationOf } from '../operation-context.ts';

/** An error of the wire carries 1,000; the name of this machine stands before it. */
const MAX_REASON_CHARACTERS = 500;

/** `inbox accept ID…`, `inbox decline ID…` */
export const answerOffers: OperationOf<typeof transferMethods.answerOffers> = (
  { daemon, member },
  params,
) => {
  daemon.requireRunning('an offer can be answered only while a daemon runs here');
  const { accept, ids, all = false, from, reason = '' } = params;
  if (reason.length > MAX_REASON_CHARACTERS)
    throw new FilerError(
      'usage',
      `the reason has ${reason.length} characters, the limit is ${MAX_REASON_CHARACTERS}`,
    );
  const hasIds = ids.length > 0;
  if (ids.includes('') || hasIds === (all || from !== undefined)) {
    throw new FilerError(
      'usage',
      'say which: the ID of an offer (`filer-client inbox` lists them), --all, or --from NAME',
    );
  }
  if (from !== undefined) {
    const senders = member.offers.all().map((offer) => ({ id: offer.from, name: offer.fromName }));
    requireKnownPeer(member, from, senders);
  }
  const state: AskedOffer['state'] = accept ? 'accepted' : 'declined';
  const offers = daemon.answerOffers({ ids, all, from }, { accept, reason });
  const answered = offers.map((offer) => ({
    id: offer.id,
    from: offer.fromName,
    fromId: offer.from,
    names: offer.names,
    files: offer.files,
    size: offer.bytes,
    state,
    refusals: offer.refusals,
    present: offer.state === 'waiting',
  }));
  return { offers: answered };
};
