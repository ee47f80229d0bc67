import {
  formatBytes,
  formatRate,
  openProgress,
  type Context,
  type OutputStream,
  type ProgressMode,
} from '@filer/program';
import { openEphemeral } from '../../api/daemon-here.ts';
import { findPeer } from '../../daemon/operations/recipients.ts';
import { parseSharedPath } from '../../get/peer-path.ts';
import { streamFile, type StreamRequest } from '../../get/stream-job.ts';

const ONE_FILE = { filesDone: 0, filesTotal: 1, complete: true };

export interface SourceRequest extends Pick<StreamRequest, 'timeoutMs' | 'checksum' | 'limit' | 'ways'> {
  readonly source: string;
}

/**
 * `get PEER:PATH -`: the bytes of one file on standard output, and nothing else there. In this process even where a
 * daemon runs: what it is asked for travels as JSON.
 */
export async function getToStdout(
  { source, timeoutMs, checksum, limit, ways }: SourceRequest,
  mode: ProgressMode | undefined,
  context: Context,
): Promise<number> {
  const { output, signal, stdout } = context;
  const { peer: target, path, name } = parseSharedPath(source);
  const progress = await openProgress(context, mode);
  const startedAt = performance.now();
  try {
    await using daemon = await openEphemeral(context);
    const { member, access, software } = daemon.context;
    await daemon.context.daemon.prepareTransfers();
    const peer = await findPeer(daemon.context, target, signal, timeoutMs);
    const bytes = await streamFile(
      { peer, path, name, timeoutMs, checksum, limit, ways },
      {
        member,
        access,
        software,
        signal,
        write: (content) => write(stdout, content, signal),
        onProgress: (bytesDone, bytesTotal) =>
          progress.show(peer.name, { bytesDone, bytesTotal, ...ONE_FILE }, bytesDone),
        onLost: ({ message }) => progress.say(`the connection was lost (${message}), trying again`),
      },
    );
    progress.mark(peer.name, 'done');
    progress.stop();
    output.words(`${formatBytes(bytes)} at ${formatRate(bytes, performance.now() - startedAt)}, verified`);
    return 0;
  } finally {
    progress.stop();
  }
}

/** Resolves when the bytes are on their way: a slow reader holds the sender back. */
function write(stdout: OutputStream, content: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    stdout.write(content, (error) => {
      // That no one reads any more is told by the signal.
      if (error) return;
      signal.removeEventListener('abort', stop);
      resolve();
    });
  });
}
