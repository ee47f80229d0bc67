import { relative } from 'node:path';
import { FilerError } from '@filer/protocol';
import type { Member } from '../network/member.ts';
import type { JobFile } from '../store/job-file-store.ts';
import type { WatchDelivery } from '../store/watch-delivery-store.ts';
import type { Watch } from '../store/watch-store.ts';
import { look, type Folder } from './look.ts';

type Stores = Pick<Member, 'watches' | 'jobs' | 'jobFiles'>;

/**
 * Drops deliveries that failed only for files which are gone, or have changed since: what they are now goes in a job of
 * its own. Should such a file come back as it was (a disk that was away), it is found as new.
 */
export async function dropOutdatedFailures(
  stores: Stores,
  watch: Watch & Folder,
  signal: AbortSignal,
): Promise<void> {
  for (const delivery of stores.watches.deliveries.failed(watch.id)) {
    const outdated = await outdatedFiles(stores, watch, delivery, signal);
    if (signal.aborted) return;
    if (outdated === undefined) continue;
    stores.watches.files.forget(watch.id, outdated);
    stores.watches.deliveries.disown(delivery.job, delivery.peer);
  }
}

/** The files for which a delivery failed; undefined when it failed as a whole, or for one that is what it was. */
async function outdatedFiles(
  { jobs, jobFiles }: Stores,
  watch: Watch & Folder,
  { job, peer, files: count }: WatchDelivery,
  signal: AbortSignal,
): Promise<JobFile[] | undefined> {
  const failures = jobs.failures(job, peer);
  // Of more than are kept by name nothing is known.
  if (failures.length === 0 || failures.length < count) return undefined;
  const outdated: JobFile[] = [];
  for (const { path } of failures) {
    const file = jobFiles.get(job, relative(watch.folder, path));
    if (file === undefined || signal.aborted) return undefined;
    const there = await look(watch, file.path);
    if (there instanceof FilerError || there?.version === file.version) return undefined;
    outdated.push(file);
  }
  return outdated;
}
