import {
  carriedMessage,
  FilerError,
  lackingMessage,
  MAX_AHEAD_BYTES,
  MAX_AWAITED_BLOCKS,
  MAX_CHUNK_BYTES,
  MAX_HOLDERS,
  unreachedMessage,
  type HolderNamed,
  type Message,
  type Repoint,
  type Supply,
} from '@filer/protocol';
import { digestOfBlock, digestText } from '../digests/digests.ts';
import { outOfPlace } from '../wire/ending.ts';
import { HolderLink, type HolderChannel } from './holder-link.ts';

/** How often the sender hears what came, in ms. */
const TELL_EVERY_MS = 1_000;

export interface AwaitedBlocksOptions {
  /**
   * Opens a connection to a holder, over which nothing of a transfer was said.
   *
   * @param callMe where the holder does not answer, it is asked to open one itself, with this token
   * @throws FilerError why it cannot be reached
   */
  readonly open: (
    peer: string,
    signal: AbortSignal,
    callMe: (token: string) => void,
  ) => Promise<HolderChannel>;
  /** Says something to the sender. */
  readonly tell: (message: Message) => void;
  /** Content came of a holder. */
  readonly moved: (bytes: number) => void;
}

interface Awaited {
  readonly bytes: number;
  from: string | undefined;
  readonly content: PromiseWithResolvers<Buffer>;
}

/** Blocks that a sender has left to other recipients, until they are here. */
export class AwaitedBlocks {
  readonly #options: AwaitedBlocksOptions;
  readonly #awaited = new Map<string, Awaited>();
  readonly #tokens = new Map<string, string>();
  readonly #links = new Map<string, HolderLink>();
  readonly #carried = new Map<string, { bytes: number; came: number }>();
  readonly #stop = new AbortController();
  readonly #closing = new Set<Promise<void>>();
  #bytes = 0;
  #telling: NodeJS.Timeout | undefined;

  constructor(options: AwaitedBlocksOptions) {
    this.#options = options;
  }

  /** Says each second from now on that this machine is there, and what it has of whom. */
  begin(): void {
    this.#telling ??= setInterval(() => this.tellCarried(), TELL_EVERY_MS).unref();
  }

  tellCarried(): void {
    if (this.#telling === undefined) return;
    const carried = [...this.#carried].map(([peer, sums]) => ({ peer, ...sums }));
    this.#options.tell(carriedMessage.format({ carried }));
  }

  /** @throws FilerError `unexpected-message` when too many are named */
  holder({ peer, token }: HolderNamed): void {
    if (this.#tokens.size >= MAX_HOLDERS && !this.#tokens.has(peer)) throw outOfPlace('one more holder');
    this.#tokens.set(peer, token);
    this.begin();
  }

  /**
   * A block is to come from a holder.
   *
   * @returns its content; rejects when the transfer ends before
   * @throws FilerError `unexpected-message`
   */
  expect(digest: string, bytes: number, from: string): Promise<Buffer> {
    const known = this.#awaited.get(digest);
    if (known !== undefined && known.bytes !== bytes) throw outOfPlace('one block of two sizes');
    if (known !== undefined) return known.content.promise;
    if (!this.#tokens.has(from)) throw outOfPlace('a block of a machine that was not named');
    const isTooMuch = this.#bytes + bytes > MAX_AHEAD_BYTES + MAX_CHUNK_BYTES;
    if (isTooMuch || this.#awaited.size >= MAX_AWAITED_BLOCKS) throw outOfPlace('one more block of others');
    const content = Promise.withResolvers<Buffer>();
    content.promise.catch(() => undefined); // awaited in its turn
    this.#awaited.set(digest, { bytes, from, content });
    this.#bytes += bytes;
    this.#linkTo(from)?.want([digest]);
    return content.promise;
  }

  /** @throws FilerError `unexpected-message` */
  repoint({ from, to }: Repoint): void {
    if (to !== undefined && !this.#tokens.has(to)) throw outOfPlace('a machine that was not named');
    const open = [...this.#awaited].filter(([, each]) => each.from === from);
    for (const [, each] of open) each.from = to;
    this.#end(from);
    if (to !== undefined && open.length > 0) this.#linkTo(to)?.want(open.map(([digest]) => digest));
  }

  /** The sender gives a block itself. @throws FilerError `verification-failed` */
  supply({ block, content }: Supply): void {
    if (digestText(digestOfBlock(content)) !== block)
      throw new FilerError('verification-failed', 'a block is not what its digest says: send it again');
    this.#take(block, Buffer.from(content));
  }

  #take(digest: string, content: Buffer): boolean {
    const awaited = this.#awaited.get(digest);
    if (awaited?.bytes !== content.length) return false;
    this.#awaited.delete(digest);
    this.#bytes -= awaited.bytes;
    awaited.content.resolve(content);
    return true;
  }

  #linkTo(peer: string): HolderLink | undefined {
    const token = this.#tokens.get(peer);
    const known = this.#links.get(peer);
    if (known !== undefined || token === undefined) return known;
    const { open, moved, tell } = this.#options;
    const callMe = (callBack: string): void => tell(unreachedMessage.format({ peer, callBack }));
    const sums = this.#carried.get(peer) ?? { bytes: 0, came: 0 };
    this.#carried.set(peer, sums);
    const link = new HolderLink(token, {
      open: (signal) => open(peer, signal, callMe),
      sizeOf: (digest) => this.#awaited.get(digest)?.bytes,
      take: (digest, content) => {
        if (this.#take(digest, content)) sums.bytes += content.length;
      },
      moved: (bytes) => {
        sums.came += bytes;
        moved(bytes);
      },
      ended: () => {
        if (this.#links.get(peer) === link) this.#end(peer);
      },
      failed: (error) => this.#lose(peer, link, error),
    });
    this.#links.set(peer, link);
    return link;
  }

  #lose(peer: string, link: HolderLink, error: FilerError): void {
    if (this.#links.get(peer) !== link || this.#stop.signal.aborted) return;
    this.#end(peer);
    this.#options.tell(lackingMessage.format({ peer, code: error.code, message: error.message }));
  }

  #end(peer: string): void {
    const link = this.#links.get(peer);
    if (link === undefined) return;
    this.#links.delete(peer);
    const closing = link.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Nothing more is awaited. */
  async close(reason: FilerError): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#telling);
    for (const { content } of this.#awaited.values()) content.reject(reason);
    this.#awaited.clear();
    for (const peer of this.#links.keys()) this.#end(peer);
    await Promise.all(this.#closing);
  }
}
