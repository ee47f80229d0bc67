import { formatAgo, formatBytes, printable, renderTable, type Context, iso } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { InboxItem } from '../../store/inbox-store.ts';
import type { AskedOffer } from '../../store/offer-store.ts';
import { openMember } from '../home-member.ts';
import { contentsOf } from './inbox-answer.ts';

/** Of an id in a list: enough to tell a few offers apart, and short to type. */
const ID_CHARACTERS = 8;

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  using member = await openMember(context);
  // What was accepted is there, or comes; each of its files is an item of its own.
  const offers = member.offers.all().filter(({ state }) => state !== 'accepted');
  const isOpen = ({ state }: AskedOffer): boolean => state === 'waiting' || state === 'lost';
  const open = offers.filter(isOpen);
  const items = member.inbox.all();
  output.json({
    items: [
      ...open.map(offerItem),
      ...items.map(fileItem),
      ...offers.filter((offer) => !isOpen(offer)).map(offerItem),
    ],
  });
  const now = Date.now();
  for (const { id, fromName, names, files, bytes, note, mirror, offeredAt, state } of open) {
    const words = note === '' ? '' : ` "${printable(note)}"`;
    const removes = mirror ? ` and removes what ${fromName} delivered before and no longer has` : '';
    const away = state === 'lost' ? `; ${fromName} is away, and is answered when it comes again` : '';
    output.line(
      `waiting  ${id.slice(0, ID_CHARACTERS)}  ${fromName} offers ${contentsOf(names, files, bytes)}${removes}${words}, ${formatAgo(offeredAt, now)}${away}`,
    );
  }
  const [first] = open;
  if (first !== undefined) {
    const id = first.id.slice(0, ID_CHARACTERS);
    output.words(`Take it:  filer-client inbox accept ${id}   or not:  filer-client inbox decline ${id}`);
    if (items.length > 0) output.line();
  }
  const there = items.filter(({ state }) => state !== 'removed');
  if (there.length === 0) {
    const { inbox } = await call(context, contract.status, {});
    if (first === undefined)
      output.words(`No files were received yet. Files from other machines are stored in ${inbox}`);
    return;
  }
  output.line(
    renderTable(
      [{ title: 'FROM' }, { title: 'SIZE' }, { title: 'CAME' }, { title: 'WHERE' }, { title: 'NOTE' }],
      there.map((item) => [
        item.fromName,
        formatBytes(item.size),
        formatAgo(item.receivedAt, now),
        item.path,
        item.note,
      ]),
      output.columns,
    ),
  );
}

function fileItem(item: InboxItem): object {
  return {
    id: item.id,
    from: item.fromName,
    fromId: item.from,
    path: item.path,
    name: item.name,
    size: item.size,
    digest: item.digest,
    receivedAt: iso(item.receivedAt),
    note: item.note,
    state: item.state,
  };
}

function offerItem(offer: AskedOffer): object {
  return {
    id: offer.id,
    from: offer.fromName,
    fromId: offer.from,
    path: offer.folder,
    name: offer.names[0] ?? '',
    size: offer.bytes,
    digest: null,
    receivedAt: iso(offer.offeredAt),
    note: offer.note,
    state: offer.state,
    job: offer.job,
    files: offer.files,
    names: offer.names,
    reason: offer.reason,
    mirror: offer.mirror,
  };
}
