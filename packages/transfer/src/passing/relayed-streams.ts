import {
  callMessage,
  type FilerError,
  holderMessage,
  MAX_AHEAD_BYTES,
  MAX_AWAITED_BLOCKS,
  MAX_HOLDERS,
  passOnMessage,
  relayedFileMessage,
  relayedMessage,
  repointMessage,
  supplyMessage,
  type Call,
  type HolderNamed,
  type Message,
} from '@filer/protocol';
import { outOfPlace } from '../wire/ending.ts';
import { AwaitedBlocks, type AwaitedBlocksOptions } from './awaited-blocks.ts';
import type { HeldBlocks } from './held-blocks.ts';

/** What a recipient needs to take part. */
export interface ReceiverPassing extends Pick<AwaitedBlocksOptions, 'open'> {
  /** What may be handed on. */
  readonly held: HeldBlocks;
  /** The sender lets a peer have blocks of this transfer. */
  readonly grant: (peer: string, token: string) => void;
  /** A peer that was granted blocks waits for a connection of this machine, with this token. Must not throw. */
  readonly call: (peer: string, token: string) => void;
}

/** Messages that wait behind blocks of others, with their contents: as far as a sender may be ahead. */
const MAX_WAITING_BYTES = 2 * MAX_AHEAD_BYTES;
const MESSAGE_BYTES = 1_024;

/** What says where blocks come from is not to wait for them. */
const AT_ONCE = [callMessage, holderMessage, passOnMessage, repointMessage, supplyMessage];
/** These wait for a block; those behind them wait for their turn. */
const AWAITING = [relayedMessage, relayedFileMessage];

/** The messages of one transfer in their order, where the content of some comes of other recipients and takes its time. */
export class RelayedStreams {
  readonly #passing: ReceiverPassing | undefined;
  readonly #awaited: AwaitedBlocks | undefined;
  readonly #failed: (error: unknown) => void;
  readonly #drained: () => void;
  /** The work on the message before. Never rejects. */
  #last: Promise<void> | undefined;
  #waiting = 0;
  #waitingBytes = 0;
  /** Of these the blocks of others, and their bytes: one that is here waits for those before it. */
  readonly #blocks = { count: 0, bytes: 0 };
  #grants = 0;
  /** Those that this machine passes on to, as far as it was not asked to call them. */
  readonly #named = new Set<string>();
  #isOver = false;

  /** @param passing undefined for a receiver that takes no part */
  constructor(
    passing: ReceiverPassing | undefined,
    options: Omit<AwaitedBlocksOptions, 'open'> & {
      readonly failed: (error: unknown) => void;
      /** All that was awaited is dealt with. */
      readonly drained: () => void;
    },
  ) {
    this.#passing = passing;
    this.#failed = options.failed;
    this.#drained = options.drained;
    if (passing !== undefined) this.#awaited = new AwaitedBlocks({ ...options, open: passing.open });
  }

  /** @throws FilerError `unexpected-message` where no part is taken */
  get awaited(): AwaitedBlocks {
    if (this.#awaited === undefined) throw outOfPlace('what concerns other recipients');
    return this.#awaited;
  }

  passOn({ peer, token }: HolderNamed): void {
    if (this.#passing === undefined || ++this.#grants > MAX_HOLDERS) throw outOfPlace('one more recipient');
    this.#passing.grant(peer, token);
    this.#named.add(peer);
    this.awaited.begin();
  }

  /** @throws FilerError `unexpected-message` for a machine that was not named */
  call({ peer, callBack }: Call): void {
    if (this.#passing === undefined || !this.#named.has(peer))
      throw outOfPlace('a machine that was not named');
    // Once for each: who cannot be reached then is served by the sender.
    this.#named.delete(peer);
    this.#passing.call(peer, callBack);
  }

  /**
   * A block of others is awaited from now on, and dealt with when it is its turn.
   *
   * @throws FilerError `unexpected-message`
   */
  await(digest: string, bytes: number, from: string, then: (content: Buffer) => Promise<void>): void {
    const blocks = this.#blocks;
    // An honest sender is a block ahead of what it was told at most.
    if (blocks.count > MAX_AWAITED_BLOCKS || blocks.bytes + bytes > MAX_WAITING_BYTES)
      throw outOfPlace('one more block of others');
    const content = this.awaited.expect(digest, bytes, from);
    blocks.count++;
    blocks.bytes += bytes;
    this.#enqueue(MESSAGE_BYTES, async () => {
      try {
        await then(await content);
      } finally {
        blocks.count--;
        blocks.bytes -= bytes;
      }
    });
  }

  /** Deals with a message when all before it were dealt with. Resolves when the next one may be read. */
  async inTurn(message: Message, work: () => Promise<void>): Promise<void> {
    const isFree = this.#waiting === 0;
    if (isFree || [...AT_ONCE, ...AWAITING].some((type) => type.is(message))) return await work();
    this.#enqueue(message.content.length + MESSAGE_BYTES, work);
    if (this.#waitingBytes > MAX_WAITING_BYTES) await this.#last;
  }

  #enqueue(bytes: number, work: () => Promise<void>): void {
    this.#waiting++;
    this.#waitingBytes += bytes;
    this.#last = this.#run(this.#last, bytes, work);
  }

  async #run(before: Promise<void> | undefined, bytes: number, work: () => Promise<void>): Promise<void> {
    await before;
    try {
      if (!this.#isOver) await work();
    } catch (error) {
      this.#isOver = true;
      this.#failed(error);
    } finally {
      this.#waiting--;
      this.#waitingBytes -= bytes;
      if (this.#waiting === 0 && !this.#isOver) this.#drained();
    }
  }

  tellCarried(): void {
    this.#awaited?.tellCarried();
  }

  /** Nothing more comes. */
  async close(reason: FilerError): Promise<void> {
    this.#isOver = true;
    await this.#awaited?.close(reason);
    await this.#last;
  }
}
