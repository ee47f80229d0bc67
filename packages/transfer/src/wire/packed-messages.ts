import { layOutFrame, type Header } from '@filer/protocol';
import type { Channel } from './channel.ts';

/** What leaves in one write: enough that a write costs nothing beside its bytes. */
const SLAB_BYTES = 128 * 1024;

/** Memory that is kept for the writes to come. */
const MAX_SPARE = 4;

type PackingChannel = Channel & Required<Pick<Channel, 'sendFrames'>>;

function takesFrames(channel: Channel): channel is PackingChannel {
  return 'sendFrames' in channel;
}

/** Messages laid out one after the other, in memory that is used again, so that many leave in one write. */
export class PackedMessages {
  readonly #channel: PackingChannel;
  readonly #spare: Buffer[] = [];
  #slab: Buffer | undefined;
  #filled = 0;

  /** @returns undefined for a channel that takes single messages only */
  static on(channel: Channel): PackedMessages | undefined {
    return takesFrames(channel) ? new PackedMessages(channel) : undefined;
  }

  private constructor(channel: PackingChannel) {
    this.#channel = channel;
  }

  /**
   * @param content copied: it may be used again
   * @returns false when it does not fit beside those that were added: they must be sent first
   */
  add(header: Header, content: Buffer): boolean {
    this.#slab ??= this.#spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    const end = layOutFrame(this.#slab, this.#filled, header, content);
    if (end === undefined) return false;
    this.#filled = end;
    return true;
  }

  /** Sends what was added, in one write. @throws what the channel's `send` throws */
  async send(): Promise<void> {
    const slab = this.#slab;
    if (slab === undefined || this.#filled === 0) return;
    const frames = slab.subarray(0, this.#filled);
    this.#slab = undefined;
    this.#filled = 0;
    await this.#channel.sendFrames(frames);
    if (this.#spare.length < MAX_SPARE) this.#spare.push(slab);
  }
}
