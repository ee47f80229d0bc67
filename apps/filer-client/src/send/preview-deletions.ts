import { FilerError } from '@filer/protocol';
import { inspectSource, previewMirror, type SentFolder } from '@filer/transfer';
import type { SendEvent } from '../api/contract/send.ts';
import { ignoreRules } from '../jobs/ignore-rules.ts';
import { nameThere, type SendRequest } from '../jobs/send-request.ts';
import { TimeLimit } from '../jobs/time-limit.ts';
import type { Outreach } from '../network/reach-peer.ts';
import { reachForTransfer } from '../network/reach-for-transfer.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import { MIRRORS } from './mirrored.ts';

/** What one recipient would remove (`--delete --dry-run`). */
export interface Preview {
  readonly filesRemoved: number;
  /** Why that is not known, or not all of it. */
  readonly failure: FilerError | undefined;
}

/** Asks a recipient what it would remove, and tells each. @throws the reason of `signal` */
export async function previewDeletions(
  outreach: Outreach,
  request: SendRequest,
  peer: KnownPeer,
  emit: (event: SendEvent) => void,
  signal: AbortSignal,
): Promise<Preview> {
  const { name: recipient, id: recipientId } = peer;
  const time = new TimeLimit(request.timeoutMs);
  let filesRemoved = 0;
  try {
    const tops = await foldersOf(request);
    const messenger = await time.reach(recipient, signal, (stop) =>
      reachForTransfer(outreach, peer, 0, stop, [MIRRORS]),
    );
    try {
      await previewMirror(messenger, tops, {
        ...time.pace,
        ignored: ignoreRules(request.exclude),
        links: request.links,
        signal,
        onRemoved: ({ path: receivedAs, kind, size }, path) => {
          if (kind !== 'dir') filesRemoved++;
          emit({ type: 'would-remove', recipient, recipientId, path, receivedAs, kind, size });
        },
        onKept: ({ code, message }, path) =>
          emit({ type: 'not-removed', job: '', recipient, recipientId, path, code, message }),
      });
    } finally {
      await messenger.close();
    }
    return { filesRemoved, failure: undefined };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FilerError)) throw error;
    return { filesRemoved, failure: error };
  }
}

/** The folders among the paths, by their names at the recipients; what cannot be sent is told elsewhere. */
async function foldersOf(request: SendRequest): Promise<Map<string, SentFolder[]>> {
  const folders = new Map<string, SentFolder[]>();
  for (const file of request.paths) {
    try {
      if ((await inspectSource({ file })).kind !== 'dir') continue;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      continue;
    }
    const name = nameThere(request, file);
    folders.set(name, [...(folders.get(name) ?? []), { file, name }]);
  }
  return folders;
}
