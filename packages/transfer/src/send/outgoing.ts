import { DIGEST_BLOCK_BYTES, FilerError, formatAbandon, type ErrorCode } from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import { ChunkSender } from './chunk-sender.ts';
import type { OutgoingOwner, OutgoingParts, SentFile } from './sent-file.ts';
import type { RelayLane } from '../passing/relay-lane.ts';
import { SmallFileSender } from './small-file-sender.ts';
import { sendStream, type StreamEnd, type StreamParts } from './stream-sender.ts';

/** A source that changes while it is sent is sent so many times. */
const MAX_TRIES = 2;

/** What concerns one source alone. */
const SOURCE_CODES: ReadonlySet<ErrorCode> = new Set([
  'path-missing',
  'path-unreadable',
  'path-unsupported',
  'source-changed',
]);

/** Sends files, one after the other: small ones as one message each, others as streams. */
export class Outgoing {
  readonly #channel: Channel;
  readonly #owner: OutgoingOwner;
  readonly #small: SmallFileSender;
  readonly #streams: StreamParts;
  readonly #lane: RelayLane | undefined;

  constructor(parts: OutgoingParts) {
    const { channel, sendWindow, owner, reads, snapshot, lane } = parts;
    this.#channel = channel;
    this.#owner = owner;
    this.#lane = lane;
    this.#small = new SmallFileSender(parts);
    const chunkSender = new ChunkSender(parts);
    this.#streams = { channel, sendWindow, chunkSender, owner, reads, snapshot };
  }

  /** Sends the small files that wait for others. They go before whatever is sent from now on. */
  flush(): void {
    this.#small.flush();
  }

  /**
   * Sends one file.
   *
   * @returns why this file, and no other, did not go; undefined when it went, or the receiver has said why not
   * @throws FilerError what ends the transfer
   */
  async send(file: SentFile): Promise<FilerError | undefined> {
    this.#owner.started(file);
    if (await this.#small.send(file)) return undefined;
    this.flush();
    try {
      return await this.#sendStreams(file);
    } catch (error) {
      if (!(error instanceof FilerError) || !SOURCE_CODES.has(error.code)) throw error;
      await this.#abandon(file, error);
      return error;
    }
  }

  /** Sends the stream of a file, once more when the file changed or the receiver wants it again. */
  async #sendStreams(file: SentFile): Promise<FilerError | undefined> {
    for (let tries = 0; tries < MAX_TRIES;) {
      const end = await sendStream(file, this.#streams);
      if (end === 'whole') return undefined;
      const isAgain = file.again === true;
      file.again = false;
      file.hasBasis = isComparable(file, end);
      const changed = {
        code: 'source-changed',
        message: 'the file changed while it was being sent',
      } as const;
      // Of one that is no longer wanted the receiver has said why.
      await this.#abandon(file, (end === 'refused' ? file.refusal : undefined) ?? changed);
      if (end === 'refused' && !isAgain) return undefined;
      if (end === 'changed') tries++;
    }
    const what = JSON.stringify(file.source.name.toWellFormed());
    return new FilerError(
      'source-changed',
      `${what} changed each time while it was being sent: try again, or let its owner send what there is with --snapshot`,
    );
  }

  #abandon({ entry }: SentFile, { code, message }: Pick<FilerError, 'code' | 'message'>): Promise<void> {
    this.#lane?.abandoned(entry);
    return send(this.#channel, formatAbandon({ entry, code, message }));
  }
}

/** Whether the next stream can be compared with what came of this one. */
function isComparable({ source, refusal }: SentFile, end: StreamEnd): boolean {
  // Of a file that changed the receiver keeps what came; the second reading alone makes its digests.
  return end === 'changed' ? source.size > DIGEST_BLOCK_BYTES : (refusal?.bytes ?? 0) > 0;
}
