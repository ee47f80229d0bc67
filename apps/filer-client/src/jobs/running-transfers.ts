import type { ToldTransfer } from '@filer/protocol';
import type { FetchingDocument, ProgressDocument } from '../api/contract/transfers.ts';
import type { JobStore } from '../store/job-store.ts';
import { jobDocument } from './job-documents.ts';
import { keptGet } from './kept-get.ts';

interface Running {
  readonly jobs: JobStore;
  readonly progressOf: (job: string, peerId: string) => ProgressDocument | null;
  readonly gets: Iterable<{ readonly id: string; readonly document: FetchingDocument }>;
}

/** What this machine sends and fetches now, as its server is told. What others fetch and send is theirs to tell. */
export function runningTransfers({ jobs, progressOf, gets }: Running): ToldTransfer[] {
  const sent = jobs
    .open()
    .filter((job) => keptGet(job) === undefined)
    .flatMap((job) =>
      jobDocument(jobs, job, progressOf).recipients.flatMap(({ id, progress }) =>
        progress === null ? [] : [told(job.id, 'send', id, progress)],
      ),
    );
  const fetched = [...gets].flatMap(({ id, document: { fromId, progress } }) =>
    progress === null ? [] : [told(id, 'get', fromId, progress)],
  );
  return [...sent, ...fetched];
}

function told(
  job: string,
  kind: ToldTransfer['kind'],
  peer: string,
  progress: ProgressDocument,
): ToldTransfer {
  const { filesDone, filesTotal, bytesDone, bytesTotal, bytesPerSecond } = progress;
  return {
    job,
    kind,
    peer,
    filesDone,
    filesTotal,
    bytesDone,
    bytesTotal,
    bytesPerSecond: Math.round(bytesPerSecond),
  };
}
