import type { Delivered, Delivery, DeliveryState, Expected, FailedTry } from './collect-store.ts';

/*
 * The next state of a delivery, for every engine: from what a transaction has read to what it writes. One that is over stays as it is,
 * but for files that come late.
 */

const OPEN: ReadonlySet<DeliveryState> = new Set(['waiting', 'asked', 'failed']);

export function isOpen({ state }: Delivery): boolean {
  return OPEN.has(state);
}

export function expected({ peer, name, folder }: Expected): Delivery {
  return {
    ...{ peer, name, folder, state: 'waiting', late: false, askedAt: undefined, deliveredAt: undefined },
    ...{ files: 0, bytes: 0, filesFailed: 0, failures: [], code: undefined, reason: undefined, tries: 0 },
    elsewhere: false,
  };
}

export function afterAsking(before: Delivery, at: number): Delivery {
  return ifOpen(before, { state: 'asked', askedAt: at });
}

export function afterDelivery(before: Delivery, { at, files, bytes }: Delivered): Delivery {
  return {
    ...{ ...before, state: 'delivered', deliveredAt: at, files, bytes, tries: before.tries + 1 },
    ...{ filesFailed: 0, failures: [], code: undefined, reason: undefined },
  };
}

export function afterFailure(before: Delivery, failed: FailedTry): Delivery {
  const late = before.late || failed.state === 'missing';
  return ifOpen(before, { ...failed, late, tries: before.tries + 1 });
}

/** @param to `missing`: another run begins, or its server left */
export function afterEnd(before: Delivery, to: 'left' | 'removed' | 'missing'): Delivery {
  return ifOpen(before, { state: to, late: before.late || to === 'missing' });
}

export function afterGrace(before: Delivery): Delivery {
  return ifOpen(before, { late: true });
}

function ifOpen(before: Delivery, to: Partial<Delivery>): Delivery {
  return isOpen(before) ? { ...before, ...to } : before;
}
