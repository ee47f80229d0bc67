import { EXIT_CODES, FilerError, type ErrorCode } from '@filer/protocol';
import { inspectSource, previewMirror, walkSources, type SentFolder } from '@filer/transfer';
import { NO_COUNTS } from '../api/contract/counts.ts';
import type { RecipientDone, SendDone, SendEvent } from '../api/contract/send.ts';
import { exitCodeOf } from './outcome.ts';
import { LINK_LEFT_OUT } from './link-left-out.ts';
import { ignoreRules } from '../jobs/ignore-rules.ts';
import { nameThere, waysOf, type SendRequest } from '../jobs/send-request.ts';
import { TimeLimit } from '../jobs/time-limit.ts';
import type { Outreach } from '../network/outreach.ts';
import { reachForTransfer } from '../network/reach-for-transfer.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import { MIRRORS } from './mirrored.ts';

/**
 * What a send would send, without asking anyone: what the recipients have already is not known here. Only what they would
 * remove is asked for.
 */
export async function dryRun(
  outreach: Outreach,
  request: SendRequest,
  recipients: readonly KnownPeer[],
  emit: (event: SendEvent) => void,
  signal: AbortSignal,
): Promise<SendDone> {
  const { paths, exclude, links, mirror } = request;
  let [filesTotal, bytesTotal, filesFailed, linksLeftOut] = [0, 0, 0, 0];
  let firstCode: ErrorCode | undefined;
  const walk = walkSources(
    paths.map((file) => ({ file })),
    {
      ignored: ignoreRules(exclude),
      links,
      leftOut: ({ file: path, error }) => {
        linksLeftOut++;
        emit({
          type: 'file',
          job: '',
          recipient: '',
          path,
          ...LINK_LEFT_OUT,
          message: error?.message ?? null,
        });
      },
      failed: ({ file: path, error: { code, message } }) => {
        filesFailed++;
        firstCode ??= code;
        const outcome = { ok: false, size: 0, status: 'failed', reason: null, code, message } as const;
        emit({ type: 'file', job: '', recipient: '', path, ...outcome });
      },
    },
  );
  for await (const { file: path, kind, size } of walk) {
    signal.throwIfAborted();
    if (kind !== 'dir') filesTotal++;
    bytesTotal += size;
    emit({ type: 'would-send', path, kind, size });
  }
  const here = filesFailed === 0 ? null : filesTotal > 0 ? 'partial' : (firstCode ?? 'internal');
  const asked = mirror ? recipients : [];
  const previews = await Promise.all(
    asked.map((peer) => previewDeletions(outreach, request, peer, emit, signal)),
  );
  const ended = recipients.map(({ name, id }, n): RecipientDone => {
    const { code = here, message: status = 'nothing was sent (--dry-run)' } = previews[n]?.failure ?? {};
    return { name, id, ok: code === null, code, status };
  });
  const exitCode = here === null ? exitCodeOf(ended, false) : EXIT_CODES[here];
  return {
    type: 'done',
    job: '',
    ok: exitCode === 0,
    exitCode,
    ...NO_COUNTS,
    filesFailed,
    filesRemoved: previews.reduce((sum, { filesRemoved }) => sum + filesRemoved, 0),
    linksLeftOut,
    bytesTotal,
    dryRun: true,
    filesTotal,
    recipients: ended,
  };
}

/** What one recipient would remove (`--delete --dry-run`). */
interface Preview {
  readonly filesRemoved: number;
  /** Why that is not known, or not all of it. */
  readonly failure: FilerError | undefined;
}

/** Asks a recipient what it would remove, and tells each. @throws the reason of `signal` */
async function previewDeletions(
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
    const { messenger } = await time.reach(recipient, signal, (stop) =>
      reachForTransfer(outreach, peer, 0, stop, { needs: [MIRRORS], ways: waysOf(request) }),
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
