import { fieldsOf, FilerError, listOf, textOf } from '@filer/protocol';
import type { OfferState } from '../../store/offer-store.ts';
import type { Operation } from '../site.ts';

const MAX_IDS = 1_000;
/** An error of the wire carries 1,000; the name of this machine stands before it. */
const MAX_REASON_CHARACTERS = 500;

/** An offer that was answered. Names are another machine's: escape them. */
export interface AnsweredOffer {
  readonly id: string;
  readonly from: string;
  readonly fromId: string;
  readonly names: readonly string[];
  readonly files: number;
  readonly size: number;
  readonly state: OfferState;
  /** Whether its sender was there, and goes on at once. */
  readonly present: boolean;
}

/** `inbox accept ID…`, `inbox decline ID…` */
export const answerOffers: Operation = ({ daemon }, params) => {
  if (daemon === undefined) {
    throw new FilerError(
      'needs-daemon',
      'nobody can be answered while no daemon runs here: start it with `filer-client start`',
    );
  }
  const fields = fieldsOf(params, 'answer');
  const accept = fields['accept'] === true;
  const all = fields['all'] === true;
  const ids = listOf(fields['ids'], 'ID', MAX_IDS, (value, what) => textOf(value, what, { max: 64 }));
  const from = fields['from'] === undefined ? undefined : textOf(fields['from'], '--from', { max: 64 });
  const reason = textOf(fields['reason'] ?? '', 'the reason', { max: Number.POSITIVE_INFINITY });
  if (reason.length > MAX_REASON_CHARACTERS)
    throw new FilerError(
      'usage',
      `the reason has ${reason.length} characters, at most ${MAX_REASON_CHARACTERS} go`,
    );
  const hasIds = ids.length > 0;
  if (ids.includes('') || hasIds === (all || from !== undefined)) {
    throw new FilerError(
      'usage',
      'say which: the ID of an offer (`filer-client inbox` lists them), --all, or --from NAME',
    );
  }
  const state = accept ? 'accepted' : 'declined';
  const offers = daemon.answerOffers({ ids, all, from }, { accept, reason });
  const answered: AnsweredOffer[] = offers.map((offer) => ({
    id: offer.id,
    from: offer.fromName,
    fromId: offer.from,
    names: offer.names,
    files: offer.files,
    size: offer.bytes,
    state,
    present: offer.state === 'waiting',
  }));
  return Promise.resolve({ offers: answered });
};
