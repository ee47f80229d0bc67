import { addAbortListener } from 'node:events';
import {
  blockMessage,
  FilerError,
  MAX_AWAITED_BLOCKS,
  MAX_BLOCK_PIECE_BYTES,
  MAX_CHUNK_BYTES,
  noBlockMessage,
  wantedMessage,
} from '@filer/protocol';
import { lastWord, outOfPlace } from '../wire/ending.ts';
import { send, type Channel } from '../wire/channel.ts';
import type { Limit } from '../wire/rate-limit.ts';
import type { HeldBlocks } from './held-blocks.ts';

/** A neighbour that takes nothing of what it asked for, for so long, is not waited for, in ms. */
const STALLED_MS = 60_000;

export interface ServeBlocksOptions {
  readonly held: HeldBlocks;
  /** Of this machine's uplink. */
  readonly limit?: Limit | undefined;
  readonly signal: AbortSignal;
}

/**
 * Hands blocks to another recipient that the sender has named, in the order in which it asks. What is not here yet is
 * waited for. Returns when the other side has gone, or what was here is no longer.
 */
export async function serveBlocks(channel: Channel, options: ServeBlocksOptions): Promise<void> {
  const gone = new AbortController();
  const { over } = options.held;
  const signal = AbortSignal.any([gone.signal, options.signal, over]);
  using _ends = addAbortListener(over, () => {
    channel.reject(new FilerError('path-missing', 'what was passed on is here no longer'));
  });
  const wanted: string[] = [];
  const buffers: Buffer[] = [];
  let turn = 0;
  let more = Promise.withResolvers<void>();
  const wake = (): void => {
    more.resolve();
    more = Promise.withResolvers();
  };
  void channel.closed.then(() => gone.abort());
  signal.addEventListener('abort', wake, { once: true });
  const serving = serve();
  serving.catch(() => gone.abort());
  try {
    for await (const message of channel) {
      if (message.header['type'] === 'error') throw lastWord(message.header, channel);
      if (!wantedMessage.is(message)) throw outOfPlace(message.header['type'] ?? 'a message without a type');
      const { digests } = wantedMessage.parse(message);
      if (wanted.length + digests.length > MAX_AWAITED_BLOCKS)
        throw new FilerError('rate-limited', `more than ${MAX_AWAITED_BLOCKS} blocks are awaited`);
      wanted.push(...digests);
      wake();
    }
  } finally {
    gone.abort();
    await serving.catch(() => undefined);
  }

  /** One of the two in turn: the next block is read while the one before goes. New memory for each would be collected again and again. */
  function buffer(): Buffer {
    const n = turn++ % 2;
    const known = buffers[n] ?? Buffer.allocUnsafeSlow(MAX_CHUNK_BYTES);
    buffers[n] = known;
    return known;
  }

  /** Begins to read the next one, so that it is there when the one before has gone. */
  function begin(): { readonly digest: string; readonly content: Promise<Buffer | undefined> } | undefined {
    const digest = wanted.shift();
    if (digest === undefined) return undefined;
    const content = options.held.read(digest, signal, buffer());
    content.catch(() => undefined); // awaited in its turn
    return { digest, content };
  }

  async function serve(): Promise<void> {
    let next = begin();
    while (!signal.aborted) {
      const block = next ?? begin();
      if (block === undefined) {
        await more.promise;
        continue;
      }
      const content = await block.content;
      if (signal.aborted) return;
      next = begin();
      if (content === undefined) await send(channel, noBlockMessage.format({ block: block.digest }));
      else await sendBlock(block.digest, content);
    }
  }

  async function sendBlock(block: string, content: Buffer): Promise<void> {
    const { limit } = options;
    const stalled = setTimeout(() => {
      channel.reject(new FilerError('timed-out', 'a block that was asked for is not taken'));
    }, STALLED_MS);
    try {
      let before: Promise<void> | undefined;
      for (let offset = 0; offset < content.length;) {
        const most = Math.min(MAX_BLOCK_PIECE_BYTES, limit?.pieceBytes ?? MAX_BLOCK_PIECE_BYTES);
        const piece = content.subarray(offset, offset + most);
        await limit?.take(piece.length, signal);
        if (signal.aborted) return;
        const sending = channel.send(
          blockMessage.formatHeader({ block, offset, size: content.length }),
          piece,
        );
        sending.catch(() => undefined); // awaited in its turn
        // One is written while the next one waits.
        await before;
        before = sending;
        offset += piece.length;
      }
      await before;
    } finally {
      clearTimeout(stalled);
    }
  }
}
