import { FilerError } from '@filer/protocol';
import type { JobRunner } from '../jobs/job-runner.ts';
import { resolveTargets } from '../jobs/targets.ts';
import type { Member } from '../network/member.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Watch } from '../store/watch-store.ts';
import type { Found } from './look.ts';
import type { WatchOptions } from './watch-options.ts';

/** How long a recipient that was lost half-way is tried again before its job waits for it, in ms. */
const LOST_TIMEOUT_MS = 60_000;

export interface ShippingParts {
  readonly member: Member;
  readonly jobs: Pick<JobRunner, 'keep' | 'begin'>;
}

/** The recipients of a watch as they are now, and why some targets have none. */
export function recipientsOf(
  member: Member,
  targets: readonly string[],
): { readonly recipients: readonly KnownPeer[]; readonly lost: readonly FilerError[] } {
  const found = new Map<string, KnownPeer>();
  const lost: FilerError[] = [];
  for (const target of targets) {
    try {
      for (const peer of resolveTargets(member, [target])) found.set(peer.id, peer);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      lost.push(error);
    }
  }
  return { recipients: [...found.values()], lost };
}

/**
 * Puts files of a watched folder into jobs: one for all recipients who have got everything so far, and for each who is
 * behind one of its own, which takes in more until somebody begins with it. The jobs and the note that the files are in
 * them are one transaction: whenever this process dies, each file is in a job, or is found once more.
 */
export function ship(
  { member, jobs }: ShippingParts,
  watch: Watch,
  options: WatchOptions,
  recipients: readonly KnownPeer[],
  found: readonly Found[],
): void {
  const { watches, jobFiles } = member;
  const made: string[] = [];
  watches.together(() => {
    const files = watches.unknown(watch.id, found);
    if (files.length === 0) return;
    const isOwed = options.deleteAfter || options.moveTo !== undefined;
    const owing = isOwed ? recipients.map(({ id }) => id) : [];
    watches.note(
      watch.id,
      files.filter(({ kind }) => kind === 'file'),
      owing,
    );
    watches.note(
      watch.id,
      files.filter(({ kind }) => kind !== 'file'),
      [],
    );
    const put = (job: string | undefined, peers: readonly KnownPeer[]): void => {
      const id = job ?? jobs.keep(requestOf(watch, options), peers);
      jobFiles.add(id, files);
      if (job !== undefined) return;
      made.push(id);
      watches.own(
        watch.id,
        id,
        peers.map((peer) => peer.id),
      );
    };
    const behind = recipients.filter(({ id }) => watches.isBehind(watch.id, id));
    const ready = recipients.filter((peer) => !behind.includes(peer));
    if (ready.length > 0) put(undefined, ready);
    for (const peer of behind) put(watches.openJob(watch.id, peer.id), [peer]);
  });
  for (const id of made) jobs.begin(id);
}

function requestOf({ id, name, folder }: Watch, options: WatchOptions): Parameters<JobRunner['keep']>[0] {
  const { to, note, onConflict, limit } = options;
  return {
    paths: [folder],
    as: name,
    spooled: false,
    to,
    note,
    timeoutMs: LOST_TIMEOUT_MS,
    bytesTotal: 0,
    onConflict,
    checksum: false,
    exclude: [],
    queue: true,
    limit,
    watch: id,
  };
}
