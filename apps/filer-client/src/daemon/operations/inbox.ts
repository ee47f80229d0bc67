import type { inboxMethods } from '../../api/contract/inbox.ts';
import { deliveriesOf, deliveryDocument, offerDocument } from '../../receive/inbox-deliveries.ts';
import type { OperationOf } from '../operation-context.ts';

/** Files that are looked through for the newest deliveries: a page is not kept waiting by a million of them. */
const NEWEST_FILES = 5_000;

const DELIVERIES = 100;

export const inbox: OperationOf<typeof inboxMethods.inbox> = ({ member }, { limit = DELIVERIES }) => {
  const { items, more } = member.inbox.newest(NEWEST_FILES);
  const deliveries = deliveriesOf(items.filter(({ state }) => state !== 'removed'));
  const offers = member.offers.all().filter(({ state }) => state !== 'accepted');
  return {
    offers: offers.map(offerDocument),
    deliveries: (limit === 0 ? [] : deliveries.slice(-limit)).map(deliveryDocument),
    more: more || deliveries.length > limit,
  };
};
