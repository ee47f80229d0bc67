import { addAbortListener } from 'node:events';
import {
  blockMessage,
  carryMessage,
  FilerError,
  MAX_AWAITED_BLOCKS,
  noBlockMessage,
  TRANSFER_LIMITS,
  wantedMessage,
  type BlockPiece,
} from '@filer/protocol';
import { digestOfBlock, digestText } from '../digests/digests.ts';
import { send, type Channel } from '../wire/channel.ts';
import { lastWord, lossOf, outOfPlace } from '../wire/ending.ts';

/** How long a holder may take to answer its call, in ms: then the sender names another one. */
const OPEN_MS = 3_000;

/** A connection that this side opened. */
export interface HolderChannel extends Channel {
  close(): Promise<void>;
}

export interface HolderLinkOptions {
  /** @throws FilerError */
  readonly open: (signal: AbortSignal) => Promise<HolderChannel>;
  /** @returns undefined when it is awaited no longer */
  readonly sizeOf: (digest: string) => number | undefined;
  /** A block came, and is what its digest says. */
  readonly take: (digest: string, content: Buffer) => void;
  /** Something of a block that is awaited came. */
  readonly moved: (bytes: number) => void;
  /** It has closed the connection, and owes nothing. */
  readonly ended: () => void;
  /** It gives nothing more. Called once. */
  readonly failed: (error: FilerError) => void;
}

/** The connection to one holder, which is never trusted: what it gives is looked at before it counts. */
export class HolderLink {
  readonly #options: HolderLinkOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** What it was asked for and has not answered, in that order. */
  readonly #asked: string[] = [];
  #channel: Channel | undefined;
  /** The block whose pieces come. */
  #open: { readonly block: string; readonly content: Buffer; filled: number } | undefined;

  constructor(token: string, options: HolderLinkOptions) {
    this.#options = options;
    this.#running = this.#run(token);
  }

  /** @throws FilerError `unexpected-message` when it owes too many */
  want(digests: readonly string[]): void {
    if (this.#asked.length + digests.length > MAX_AWAITED_BLOCKS)
      throw outOfPlace('one more block of others');
    this.#asked.push(...digests);
    this.#ask(digests);
  }

  #ask(digests: readonly string[]): void {
    if (this.#channel === undefined || digests.length === 0) return;
    void send(this.#channel, wantedMessage.format({ digests })).catch(() => undefined);
  }

  /** Never rejects. */
  async #run(token: string): Promise<void> {
    try {
      await this.#converse(token);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!(error instanceof FilerError)) throw error;
      this.#options.failed(error);
    }
  }

  async #converse(token: string): Promise<void> {
    const late = AbortSignal.timeout(OPEN_MS);
    const channel = await this.#options
      .open(AbortSignal.any([this.#stop.signal, late]))
      .catch((error: unknown) => {
        if (late.aborted) throw new FilerError('peer-unreachable', 'it does not answer', { cause: error });
        throw error;
      });
    using _stops = addAbortListener(this.#stop.signal, () => void channel.close());
    try {
      await this.#take(channel, token);
    } finally {
      await channel.close();
    }
  }

  async #take(channel: Channel, token: string): Promise<void> {
    channel.setLimits?.(TRANSFER_LIMITS);
    await send(channel, carryMessage.format({ token }));
    this.#channel = channel;
    this.#ask(this.#asked);
    for await (const message of channel) {
      if (message.header['type'] === 'error') {
        if (this.#asked.length === 0) break;
        throw lastWord(message.header, channel);
      }
      if (blockMessage.is(message)) this.#add(blockMessage.parse(message));
      else if (noBlockMessage.is(message)) this.#lack(noBlockMessage.parse(message).block);
      else throw outOfPlace(message.header['type'] ?? 'a message without a type');
      channel.recycle?.(message.content);
    }
    if (this.#asked.length > 0) throw await lossOf(channel);
    this.#options.ended();
  }

  /** @throws FilerError `unexpected-message`, `verification-failed` */
  #add({ block, offset, size, content }: BlockPiece): void {
    if (this.#open === undefined) {
      if (block !== this.#asked[0]) throw outOfPlace('a block that was not asked for');
      // One that came of another one meanwhile is read to its end.
      const wanted = this.#options.sizeOf(block);
      if (offset !== 0 || (wanted !== undefined && wanted !== size)) throw outOfPlace('a piece of a block');
      this.#open = { block, content: Buffer.allocUnsafeSlow(size), filled: 0 };
    }
    const open = this.#open;
    const end = offset + content.length;
    if (open.block !== block || open.filled !== offset || end > open.content.length)
      throw outOfPlace('a piece of a block');
    content.copy(open.content, offset);
    open.filled = end;
    if (this.#options.sizeOf(block) !== undefined) this.#options.moved(content.length);
    if (end < open.content.length) return;
    this.#open = undefined;
    this.#asked.shift();
    if (digestText(digestOfBlock(open.content)) !== block)
      throw new FilerError('verification-failed', 'a block is not what its digest says');
    this.#options.take(block, open.content);
  }

  #lack(block: string): void {
    if (this.#open !== undefined || block !== this.#asked.shift())
      throw outOfPlace('a block that was not asked for');
    if (this.#options.sizeOf(block) === undefined) return;
    throw new FilerError('path-missing', 'it has no longer what it was named for');
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
