import type { SendEvent } from '../api/contract/send.ts';
import type { SendRequest } from '../jobs/send-request.ts';
import type { Member } from '../network/member.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { WatchDelivery } from '../store/watch-delivery-store.ts';
import type { Watch, WatchStore } from '../store/watch-store.ts';
import type { Found } from './look.ts';
import { owedTo, type WatchRecipients } from './recipients.ts';
import type { WatchOptions } from './watch-options.ts';
import { TEMPORARY_NAMES } from './watch-rules.ts';

/** How long a recipient that was lost half-way is tried again before its job waits for it, in ms. */
const LOST_TIMEOUT_MS = 60_000;

export interface ShippingParts {
  readonly member: Pick<Member, 'watches' | 'jobs' | 'jobFiles'>;
  readonly jobs: WatchJobs;
}

/** Who is to get something. */
type Recipient = Pick<KnownPeer, 'id' | 'name'>;

/** What a watch asks of those who run jobs. @see JobRunner */
export interface WatchJobs {
  keep(request: SendRequest, recipients: readonly Recipient[]): string;
  begin(id: string): void;
  retry(id: string, follower: (event: SendEvent) => void): unknown;
}

/**
 * Puts files of a watched folder into jobs: one for all recipients who have got everything so far, and for each who is
 * behind one of its own, which takes in more until somebody begins with it. The jobs and the note that the files are in
 * them are one transaction: whenever this process dies, each file is in a job, or is found once more.
 *
 * @param found none for a job that only has recipients remove what is gone
 */
export function ship(
  { member, jobs }: ShippingParts,
  watch: Watch,
  options: WatchOptions,
  { recipients, lost }: { readonly recipients: readonly Recipient[]; readonly lost: WatchRecipients['lost'] },
  found: readonly Found[],
): void {
  const { watches, jobFiles } = member;
  const made: string[] = [];
  watches.together(() => {
    const files = watches.files.unknown(watch.id, found);
    if (files.length === 0 && found.length > 0) return;
    const isOwed = options.deleteAfter || options.moveTo !== undefined;
    // Who cannot be reached by any name is owed a copy all the same: nothing is put away before.
    const owing = isOwed
      ? [...recipients.map(({ id }) => id), ...lost.map(({ target }) => owedTo(target))]
      : [];
    watches.files.note(
      watch.id,
      files.filter(({ kind }) => kind === 'file'),
      owing,
    );
    watches.files.note(
      watch.id,
      files.filter(({ kind }) => kind !== 'file'),
      [],
    );
    const behind = recipients.filter(({ id }) => watches.deliveries.isBehind(watch.id, id));
    const ready = recipients.filter((peer) => !behind.includes(peer));
    if (ready.length > 0) {
      const job = newJob(jobs, watches, watch, options, ready);
      jobFiles.add(job, files);
      made.push(job);
    }
    for (const peer of behind) {
      const job =
        watches.deliveries.openJob(watch.id, peer.id) ?? waitingJob(member, jobs, watch, options, peer);
      jobFiles.add(job, files);
    }
  });
  for (const id of made) jobs.begin(id);
}

/**
 * Puts all that failed for a recipient into one job, and begins with it: who refuses for weeks while files change has
 * one job to refuse. The other jobs stay in the history, as failed.
 *
 * @param failed newest first
 */
export function gatherFailed(
  { member, jobs }: ShippingParts,
  watch: Watch,
  options: WatchOptions,
  peer: Recipient,
  failed: readonly WatchDelivery[],
): void {
  const { watches, jobFiles } = member;
  const job = watches.together(() => {
    const id = newJob(jobs, watches, watch, options, [peer]);
    for (const { job: old } of failed) {
      jobFiles.takeFrom(old, id);
      watches.deliveries.disown(old, peer.id);
    }
    return id;
  });
  jobs.begin(job);
}

/** One that is begun with after the others, when it is its turn: until then it takes in more. */
function waitingJob(
  member: ShippingParts['member'],
  jobs: WatchJobs,
  watch: Watch,
  options: WatchOptions,
  peer: Recipient,
): string {
  const job = newJob(jobs, member.watches, watch, options, [peer]);
  const waits = { state: 'queued', code: undefined, status: 'waits for its turn' } as const;
  member.jobs.end(job, peer.id, waits, Date.now());
  return job;
}

function newJob(
  jobs: WatchJobs,
  watches: WatchStore,
  watch: Watch,
  options: WatchOptions,
  recipients: readonly Recipient[],
): string {
  const job = jobs.keep(requestOf(watch, options), recipients);
  const peers = recipients.map(({ id }) => id);
  watches.deliveries.own(watch.id, job, peers);
  return job;
}

/** The job that brings files of a watch. */
export function requestOf(
  { id, name, folder }: Pick<Watch, 'id' | 'name' | 'folder'>,
  options: WatchOptions,
): SendRequest {
  const { to, note, onConflict, limit, into, links, mirror, exclude } = options;
  return {
    paths: [folder],
    as: name,
    into,
    links,
    mirror,
    stage: false,
    spooled: false,
    dropped: false,
    droppedFiles: 0,
    to,
    note,
    timeoutMs: LOST_TIMEOUT_MS,
    bytesTotal: 0,
    onConflict,
    checksum: false,
    snapshot: false,
    exclude: [...TEMPORARY_NAMES, ...exclude],
    queue: true,
    limit,
    directOnly: false,
    relayOnly: false,
    watch: id,
  };
}
