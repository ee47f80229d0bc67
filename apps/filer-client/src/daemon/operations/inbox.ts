import type { inboxMethods } from '../../api/contract/inbox.ts';
import { deliveryDocument, offerDocument } from '../../receive/inbox-deliveries.ts';
import type { OperationOf } from '../operation-context.ts';

const DELIVERIES = 100;

export const inbox: OperationOf<typeof inboxMethods.inbox> = async ({ member }, { limit = DELIVERIES }) => {
  const found = await member.inbox.newest(limit + 1);
  const offers = member.offers.all().filter(({ state }) => state !== 'accepted');
  return {
    offers: offers.map(offerDocument),
    deliveries: found.slice(Math.max(0, found.length - limit)).map(deliveryDocument),
    more: found.length > limit,
  };
};
