import type { ToldTransfer } from '@filer/protocol';
import type { FetchingDocument, ProgressDocument } from '../api/contract/transfers.ts';

interface Running {
  readonly sends: Iterable<{
    readonly job: string;
    readonly peer: string;
    readonly progress: ProgressDocument | null;
  }>;
  readonly gets: Iterable<{ readonly id: string; readonly document: FetchingDocument }>;
}

/** What this machine sends and fetches now, as its server is told. What others fetch and send is theirs to tell. */
export function runningTransfers({ sends, gets }: Running): ToldTransfer[] {
  const sent = [...sends].flatMap(({ job, peer, progress }) =>
    progress === null ? [] : [told(job, 'send', peer, progress)],
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
