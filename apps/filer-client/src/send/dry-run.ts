import { EXIT_CODES, type ErrorCode } from '@filer/protocol';
import { walkSources } from '@filer/transfer';
import type { KnownPeer } from '../store/directory-store.ts';
import { ignoreRules } from '../jobs/ignore-rules.ts';
import type { SendRequest } from '../jobs/send-request.ts';
import type { RecipientDone, SendDone, SendEvent } from '../api/contract/send.ts';
import type { Outreach } from '../network/reach-peer.ts';
import { exitCodeOf } from './outcome.ts';
import { previewDeletions } from './preview-deletions.ts';
import { LINK_LEFT_OUT } from './link-left-out.ts';

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
    filesSent: 0,
    filesSkipped: 0,
    filesKept: 0,
    filesFailed,
    filesRemoved: previews.reduce((sum, { filesRemoved }) => sum + filesRemoved, 0),
    linksLeftOut,
    bytesSent: 0,
    bytesTotal,
    dryRun: true,
    filesTotal,
    recipients: ended,
  };
}
