import { EXIT_CODES, type ErrorCode } from '@filer/protocol';
import { walkSources } from '@filer/transfer';
import type { KnownPeer } from '../store/directory-store.ts';
import { ignoreRules } from '../jobs/ignore-rules.ts';
import type { SendRequest } from '../jobs/send-request.ts';
import type { SendDone, SendEvent } from '../api/contract/send.ts';

/** What a send would send, without asking anyone: what the recipients have already is not known here. */
export async function dryRun(
  { paths, exclude, links }: SendRequest,
  recipients: readonly KnownPeer[],
  emit: (event: SendEvent) => void,
  signal: AbortSignal,
): Promise<SendDone> {
  let [filesTotal, bytesTotal, filesFailed, linksLeftOut] = [0, 0, 0, 0];
  let firstCode: ErrorCode | undefined;
  const walk = walkSources(
    paths.map((file) => ({ file })),
    {
      ignored: ignoreRules(exclude),
      links,
      leftOut: ({ file: path, error }) => {
        linksLeftOut++;
        const outcome = {
          ok: true,
          size: 0,
          status: 'skipped',
          reason: 'link',
          proof: null,
          code: null,
        } as const;
        emit({ type: 'file', job: '', recipient: '', path, ...outcome, message: error?.message ?? null });
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
  const code = filesFailed === 0 ? null : filesTotal > 0 ? 'partial' : (firstCode ?? 'internal');
  const ok = code === null;
  const status = 'nothing was sent (--dry-run)';
  return {
    type: 'done',
    job: '',
    ok,
    exitCode: code === null ? 0 : EXIT_CODES[code],
    filesSent: 0,
    filesSkipped: 0,
    filesKept: 0,
    filesFailed,
    linksLeftOut,
    bytesSent: 0,
    bytesTotal,
    dryRun: true,
    filesTotal,
    recipients: recipients.map(({ name, id }) => ({ name, id, ok, code, status })),
  };
}
