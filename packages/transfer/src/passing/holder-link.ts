import { addAbortListener } from 'node:events';
import {
  blockMessage,
  carryMessage,
  FilerError,
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
  readonly moved: (bytes: number) => void;
  /** It gives nothing more. Called once. */
  readonly failed: (error: FilerError) => void;
}

/** The connection to one holder, which is never trusted: what it gives is looked at before it counts. */
export class HolderLink {
  readonly #options: HolderLinkOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  /** Wanted before the connection was there. */
  #early: string[] = [];
  #channel: Channel | undefined;
  /** The block whose pieces come. */
  #open: { readonly block: string; readonly content: Buffer; filled: number } | undefined;

  constructor(token: string, options: HolderLinkOptions) {
    this.#options = options;
    this.#running = this.#run(token);
  }

  want(digests: readonly string[]): void {
    if (this.#channel === undefined) this.#early.push(...digests);
    else void send(this.#channel, wantedMessage.format({ digests })).catch(() => undefined);
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
    if (this.#early.length > 0) this.want(this.#early);
    this.#early = [];
    for await (const message of channel) {
      if (message.header['type'] === 'error') throw lastWord(message.header, channel);
      if (blockMessage.is(message)) this.#add(blockMessage.parse(message));
      else if (noBlockMessage.is(message)) this.#lack(noBlockMessage.parse(message).block);
      else throw outOfPlace(message.header['type'] ?? 'a message without a type');
      channel.recycle?.(message.content);
    }
    throw await lossOf(channel);
  }

  /** @throws FilerError `unexpected-message`, `verification-failed` */
  #add({ block, offset, size, content }: BlockPiece): void {
    if (this.#open === undefined) {
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
    this.#options.moved(content.length);
    if (end < open.content.length) return;
    this.#open = undefined;
    if (digestText(digestOfBlock(open.content)) !== block)
      throw new FilerError('verification-failed', 'a block is not what its digest says');
    this.#options.take(block, open.content);
  }

  #lack(block: string): void {
    if (this.#options.sizeOf(block) === undefined) return;
    throw new FilerError('path-missing', 'it has no longer what it was named for');
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
