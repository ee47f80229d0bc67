import { FilerError } from '@filer/protocol';
import { iso } from '@filer/program';
import type { WatchDocument } from '../api/contract/shares.ts';
import type { Member } from '../network/member.ts';
import type { Watch } from '../store/watch-store.ts';
import { parseKeptOptions, type WatchOptions } from './watch-options.ts';
import type { WatchStanding } from './watches.ts';

/** @param live the watch as the daemon runs it; undefined without one */
export function watchDocument(
  member: Pick<Member, 'watches' | 'directory'>,
  watch: Watch,
  live: WatchStanding | undefined,
): WatchDocument {
  const { into, links, mirror, ...options } = optionsOf(watch);
  const { to, ids, exclude, onConflict, note, limit, settleMs, rescanMs, deleteAfter, moveTo } = options;
  const { watches: store, directory } = member;
  const nameOf = (target: string): string => {
    const id = ids[target];
    return (id === undefined ? undefined : directory.byId(id)?.name) ?? target;
  };
  const [failed] = store.deliveries.failed(watch.id);
  const failure =
    failed === undefined ? null : { job: failed.job, recipient: failed.name, reason: failed.status };
  return {
    id: String(watch.id),
    name: watch.name,
    folder: watch.folder,
    to: to.map(nameOf),
    recipients: Object.entries(ids).map(([target, id]) => ({ name: nameOf(target), id })),
    ...standingOf(live, failure),
    waiting: (live?.unshipped ?? 0) + store.deliveries.waiting(watch.id),
    shipped: watch.shipped,
    lastShippedAt: watch.lastShippedAt === undefined ? null : iso(watch.lastShippedAt),
    failed: failure,
    addedAt: iso(watch.addedAt),
    exclude,
    into,
    links,
    mirror,
    onConflict,
    note,
    limit: limit ?? null,
    settleMs,
    rescanMs,
    deleteAfter,
    moveTo: moveTo ?? null,
  };
}

/** One that cannot be read does not keep the others from being shown: its state says so. */
function optionsOf({ options }: Watch): WatchOptions {
  try {
    return parseKeptOptions(options);
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return parseKeptOptions('{"settleMs":0,"rescanMs":0}');
  }
}

function standingOf(
  live: WatchStanding | undefined,
  failed: WatchDocument['failed'],
): Pick<WatchDocument, 'state' | 'reason'> {
  if (live === undefined)
    return { state: 'stopped', reason: 'it continues when `filer-client start` runs here' };
  const { state, reason } = live;
  if (failed === null || (state !== 'watching' && state !== 'blind'))
    return { state, reason: reason ?? null };
  const { job, recipient } = failed;
  const words = `${failed.reason}: job ${job} for ${recipient} has failed, \`filer-client history ${job}\` says more`;
  return { state: 'failing', reason: words };
}
