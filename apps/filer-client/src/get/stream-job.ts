import { FilerError, formatFetch, PARALLEL } from '@filer/protocol';
import { receiveStream, StreamSink } from '@filer/transfer';
import type { Outreach } from '../network/outreach.ts';
import { channelToReceive } from '../network/open-parallel.ts';
import { reachPeer, type PeerConnection } from '../network/reach-peer.ts';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Ways } from '../network/paths.ts';
import { overBestPath } from '../jobs/over-best-path.ts';
import { TimeLimit } from '../jobs/time-limit.ts';
import { whileLost } from '../jobs/while-lost.ts';

export interface StreamRequest {
  readonly peer: KnownPeer;
  /** `SHARE/path/below` at the peer. */
  readonly path: string;
  readonly name: string;
  readonly timeoutMs: number;
  readonly checksum: boolean;
  /** Content bytes a second, kept to by the peer; undefined for as fast as can be. */
  readonly limit: number | undefined;
  readonly ways: Ways;
}

export interface StreamSurroundings extends Outreach {
  readonly signal: AbortSignal;
  /** Resolves when the stream takes more; it does not keep the bytes. */
  readonly write: (content: Buffer) => Promise<void>;
  readonly onProgress: (fileBytes: number, fileSize: number) => void;
  readonly onLost: (reason: FilerError) => void;
}

const STEP_BYTES = 1024 * 1024;

/**
 * Fetches one file into a stream, over as many connections as it takes: the next one continues where the stream stands.
 *
 * @returns bytes that were written
 * @throws FilerError why the stream is not the whole file; the reason of `signal`
 */
export async function streamFile(request: StreamRequest, around: StreamSurroundings): Promise<number> {
  const { peer, path, name, timeoutMs, checksum, limit, ways } = request;
  const { member, signal, write, onProgress, onLost } = around;
  const into = new StreamSink(write);
  const time = new TimeLimit(timeoutMs, limit);
  const receive = async ({ messenger, welcome }: PeerConnection): Promise<FilerError | undefined> => {
    const { header, content } = formatFetch({ path, name, checksum, limit }, 'fetch');
    await messenger.send(header, content);
    const channel = channelToReceive(around, peer, messenger, welcome);
    const { error } = await receiveStream(channel, {
      network: member.network,
      keyPair: member.identity,
      senderId: peer.id,
      limit: member.limits.receive,
      name,
      into,
      signal,
      ...time.pace,
      onProgress: (fileBytes, fileSize) => {
        time.moved(fileBytes);
        onProgress(fileBytes, fileSize);
      },
    });
    return error;
  };
  const attempt = async (): Promise<FilerError | undefined> => {
    const improving = new AbortController();
    try {
      const reached = await time.reach(peer.name, signal, (stop) =>
        reachPeer(
          around,
          peer,
          { purpose: 'transfer', features: [PARALLEL] },
          { signal: stop, ways, improves: improving.signal },
        ),
      );
      return await overBestPath(reached, receive);
    } catch (error) {
      if (error instanceof FilerError) return error;
      throw error;
    } finally {
      improving.abort();
    }
  };
  const progress = (): number => Math.floor(into.written / STEP_BYTES);
  const failure = await whileLost({ peer: peer.name, limit: time, signal, attempt, progress, onLost });
  signal.throwIfAborted();
  if (failure !== undefined) throw failure;
  return into.written;
}
