import { basename } from 'node:path';
import { iso } from '@filer/program';
import type { InboxDeliveryDocument, InboxOffer } from '../api/contract/inbox.ts';
import { topOf, type InboxItem } from '../store/inbox-store.ts';
import type { InboxTop } from '../store/inbox-tops.ts';
import type { AskedOffer } from '../store/offer-store.ts';

/** What came of one job under one name: a file, or a folder with all that came in it. */
export interface InboxDelivery extends InboxTop {
  /** In the order in which they came. */
  readonly items: readonly InboxItem[];
}

/** The files of the inbox by what was delivered at once, in the order in which the last of each came. */
export function deliveriesOf(items: readonly InboxItem[]): InboxDelivery[] {
  const found = new Map<string, InboxItem[]>();
  for (const item of items) {
    const key = [item.from, item.job, topOf(item)].join('\0');
    const group = found.get(key);
    if (group === undefined) found.set(key, [item]);
    else group.push(item);
  }
  return [...found.values()]
    .flatMap((group) => deliveryOf(group))
    .toSorted((a, b) => a.receivedAt - b.receivedAt);
}

function deliveryOf(items: readonly InboxItem[]): InboxDelivery[] {
  const last = items.at(-1);
  if (last === undefined) return [];
  const { from, fromName, job, receivedAt, note } = last;
  const top = topOf(last);
  const bytes = items.reduce((sum, { size }) => sum + size, 0);
  const kind = top === last.path ? 'file' : 'folder';
  return [{ from, fromName, job, top, kind, files: items.length, bytes, receivedAt, note, items }];
}

/** @returns what was delivered, as a document: its name is the one that it has here */
export function deliveryDocument(delivery: InboxTop): InboxDeliveryDocument {
  const { from: fromId, fromName: from, job, top: path, kind, files, bytes: size, note } = delivery;
  const name = basename(path);
  return { from, fromId, job, path, name, kind, files, size, receivedAt: iso(delivery.receivedAt), note };
}

export function offerDocument(offer: AskedOffer): InboxOffer {
  const { id, fromName: from, from: fromId, folder: path, names, files, bytes: size, note, state } = offer;
  const { reason, mirror, refusals } = offer;
  const contents = offer.contents.map((each) => ({ files: each.files, size: each.bytes }));
  const receivedAt = iso(offer.offeredAt);
  return {
    id,
    from,
    fromId,
    path,
    names,
    contents,
    files,
    size,
    note,
    receivedAt,
    state,
    reason,
    mirror,
    refusals,
  };
}
