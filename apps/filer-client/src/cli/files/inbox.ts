import { basename } from 'node:path';
import {
  flag,
  formatAgo,
  formatBytes,
  integerKind,
  iso,
  MOMENT,
  optional,
  printable,
  renderTable,
  type ArgumentValues,
  type Column,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { InboxItem } from '../../store/inbox-store.ts';
import type { AskedOffer } from '../../store/offer-store.ts';
import type { Member } from '../../network/member.ts';
import { openMember } from '../home-member.ts';
import { requireKnownPeer } from '../../network/known-peer.ts';
import { contentsOf, refusalLines } from './inbox-answer.ts';
import {
  deliveriesOf,
  deliveryDocument,
  offerDocument,
  type InboxDelivery,
} from '../../receive/inbox-deliveries.ts';
import { PEER } from '../arguments.ts';

export const args = {
  staged: flag('list what was staged here, and is not released or can be rolled back'),
  files: flag('list each file'),
  from: optional(PEER, 'only what this machine sent'),
  since: optional(MOMENT, 'only what came at or after this'),
  limit: optional(
    integerKind({ min: 1, max: 1_000_000, example: 20 }),
    'number of newest deliveries, or files, to show',
  ),
};

export const examples = [
  'inbox',
  'inbox --since 1d --from bob',
  'inbox --files --limit 20',
  'inbox --staged',
];

type InboxArguments = ArgumentValues<typeof args>;

/** Of an id in a list: enough to tell a few offers apart, and short to type. */
const ID_CHARACTERS = 8;

/** What is shown of the inbox. */
interface Shown {
  /** Offers that wait, and those that were answered or withdrawn. */
  readonly offers: readonly AskedOffer[];
  readonly deliveries: readonly InboxDelivery[];
  readonly items: readonly InboxItem[];
}

export async function run(args: InboxArguments, context: Context): Promise<void> {
  const { output } = context;
  using member = await openMember(context);
  if (args.staged) {
    const { showStaged } = await import('./inbox-staged.ts');
    await showStaged(member, args.from, context);
    return;
  }
  const now = member.clock.now();
  const { offers, deliveries, items } = select(member, args, now);
  const open = offers.filter(isOpen);
  output.json({
    items: [
      ...open.map(offerItem),
      ...items.map(fileItem),
      ...offers.filter((offer) => !isOpen(offer)).map(offerItem),
    ],
    deliveries: deliveries.map(deliveryDocument),
  });
  showOffers(open, now, context);
  if (deliveries.length > 0) {
    if (open.length > 0) output.line();
    const table = args.files
      ? filesTable(items.filter(isThere), now, output)
      : deliveriesTable(deliveries, now, output);
    output.quote(table);
  } else if (open.length === 0) {
    const isAll = args.from === undefined && args.since === undefined;
    const { inbox } = await call(context, contract.status, {});
    output.words(
      isAll
        ? `No files were received yet. Files from other machines are stored in ${printable(inbox)}`
        : 'No such files were received: `filer-client inbox` lists all',
    );
  }
}

function select(member: Member, { files, from, since, limit }: InboxArguments, now: number): Shown {
  if (from !== undefined) {
    const senders = [...member.offers.all(), ...member.inbox.all()];
    requireKnownPeer(
      member,
      from,
      senders.map((each) => ({ id: each.from, name: each.fromName })),
    );
  }
  const isOf = (id: string, name: string): boolean =>
    from === undefined || name === from.toLowerCase() || id === from.toUpperCase();
  const start = since?.(now) ?? Number.NEGATIVE_INFINITY;
  // What was accepted is there, or comes; each of its files is an item of its own.
  const offers = member.offers
    .all()
    .filter(
      (offer) => offer.state !== 'accepted' && isOf(offer.from, offer.fromName) && offer.offeredAt >= start,
    );
  const matching = member.inbox
    .all()
    .filter((item) => isOf(item.from, item.fromName) && item.receivedAt >= start);
  if (files) {
    const items = newest(matching, limit);
    return { offers, items, deliveries: deliveriesOf(items.filter(isThere)) };
  }
  const deliveries = newest(deliveriesOf(matching.filter(isThere)), limit);
  const kept = new Set(deliveries.flatMap(({ items }) => items));
  const items = limit === undefined ? matching : matching.filter((item) => kept.has(item));
  return { offers, deliveries, items };
}

/** Whether its sender has not had it removed. */
function isThere({ state }: InboxItem): boolean {
  return state !== 'removed';
}

function newest<T>(all: readonly T[], limit: number | undefined): readonly T[] {
  return limit === undefined ? all : all.slice(-limit);
}

function isOpen({ state }: AskedOffer): boolean {
  return state === 'waiting' || state === 'lost';
}

function showOffers(open: readonly AskedOffer[], now: number, { output }: Context): void {
  for (const { id, fromName, names, files, bytes, note, mirror, refusals, offeredAt, state } of open) {
    const words = note === '' ? '' : ` "${printable(note)}"`;
    const removes = mirror ? ` and removes what ${fromName} delivered before and no longer has` : '';
    const away = state === 'lost' ? `; ${fromName} is away, and is answered when it comes again` : '';
    output.line(
      `waiting  ${id.slice(0, ID_CHARACTERS)}  ${fromName} offers ${contentsOf(names, files, bytes)}${removes}${words}, ${formatAgo(offeredAt, now)}${away}`,
    );
    for (const line of refusalLines(refusals)) output.line(line);
  }
  const [first] = open;
  if (first === undefined) return;
  const id = first.id.slice(0, ID_CHARACTERS);
  output.words(`Take it:  filer-client inbox accept ${id}   or not:  filer-client inbox decline ${id}`);
}

const WHERE: Column = { title: 'WHERE', fit: 'below' };
const NOTE: Column = { title: 'NOTE', dropOrder: 1 };

const DELIVERY_COLUMNS: readonly Column[] = [
  { title: 'WHAT', fit: 'middle' },
  { title: 'FILES', fit: 'whole' },
  { title: 'FROM', fit: 'whole' },
  { title: 'CAME', fit: 'whole' },
  NOTE,
  WHERE,
];

function deliveriesTable(
  deliveries: readonly InboxDelivery[],
  now: number,
  output: Context['output'],
): string {
  const rows = deliveries.map(({ top, kind, files, bytes, fromName, receivedAt, note }) => [
    `${basename(top)}${kind === 'folder' ? '/' : ''}`,
    `${files === 1 ? '1 file' : `${files.toLocaleString('en-US')} files`}, ${formatBytes(bytes)}`,
    fromName,
    formatAgo(receivedAt, now),
    note,
    output.path(top),
  ]);
  return renderTable(DELIVERY_COLUMNS, rows, output.columns);
}

const FILE_COLUMNS: readonly Column[] = [
  { title: 'FROM', fit: 'whole' },
  { title: 'SIZE', fit: 'whole', align: 'right' },
  { title: 'CAME', fit: 'whole' },
  NOTE,
  WHERE,
];

function filesTable(items: readonly InboxItem[], now: number, output: Context['output']): string {
  const rows = items.map(({ fromName, size, receivedAt, note, path }) => [
    fromName,
    formatBytes(size),
    formatAgo(receivedAt, now),
    note,
    output.path(path),
  ]);
  return renderTable(FILE_COLUMNS, rows, output.columns);
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
  const { names, contents, files, reason, mirror, refusals, ...item } = offerDocument(offer);
  const more = { job: offer.job, files, names, contents, reason, mirror, refusals };
  return { ...item, name: names[0] ?? '', digest: null, ...more };
}
