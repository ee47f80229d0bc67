import { basename } from 'node:path';
import { iso } from '@filer/program';
import type { InboxDeliveryDocument, InboxOffer } from '../api/contract/inbox.ts';
import type { InboxItem } from '../store/inbox-store.ts';
import type { AskedOffer } from '../store/offer-store.ts';

/** What came of one job under one name: a file, or a folder with all that came in it. */
export interface InboxDelivery {
  readonly from: string;
  readonly fromName: string;
  readonly job: string;
  /** Absolute. */
  readonly path: string;
  readonly name: string;
  readonly kind: 'file' | 'folder';
  readonly files: number;
  readonly bytes: number;
  /** Of the last file. */
  readonly receivedAt: number;
  readonly note: string;
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
  const path = topOf(last);
  const bytes = items.reduce((sum, { size }) => sum + size, 0);
  const kind = path === last.path ? 'file' : 'folder';
  return [
    {
      from,
      fromName,
      job,
      path,
      name: basename(path),
      kind,
      files: items.length,
      bytes,
      receivedAt,
      note,
      items,
    },
  ];
}

/** The path of what was named at the sender: of a file in a folder that of the folder, whatever it is called here. */
function topOf({ path, name }: InboxItem): string {
  const below = name.split('/').length - 1;
  return below === 0 ? path : path.split('/').slice(0, -below).join('/');
}

export function deliveryDocument(delivery: InboxDelivery): InboxDeliveryDocument {
  const { from: fromId, fromName: from, job, path, name, kind, files, bytes: size, note } = delivery;
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
