import { readSync } from 'node:fs';
import { chunkHeader, type Digests } from '@filer/protocol';
import type { Channel } from './channel.ts';
import { FileDigests } from './digests.ts';
import { sourceError, type OpenSource } from './source.ts';

/** One chunk: large enough that its header costs nothing, small enough to stay in the processor's cache. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Moves files into a channel through two buffers, whatever their size: one is filled while the other is on its
 * way. A buffer is used again only after its `send` has resolved.
 */
export class Pump {
  readonly #channel: Channel;
  readonly #buffers = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)] as const;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /**
   * Sends the chunks of one file.
   *
   * @param size what was announced; no byte beyond it is read
   * @param onSent called after each chunk was handed to the operating system; false stops the stream
   * @returns the digests, or undefined when it was stopped or the file ended before `size`
   * @throws FilerError `path-unreadable`, or what the channel's `send` throws
   */
  async run(
    entry: number,
    source: OpenSource,
    size: number,
    onSent: (bytes: number) => boolean,
  ): Promise<Digests | undefined> {
    const digests = new FileDigests();
    const [one, two] = this.#buffers;
    let [buffer, other] = [one, two];
    let [onItsWay, before] = [Promise.resolve(true), Promise.resolve(true)];
    try {
      for (let offset = 0; offset < size;) {
        const content = read(source, buffer, Math.min(buffer.length, size - offset), offset);
        if (content.length === 0) return undefined;
        digests.update(content);
        const sent = this.#channel
          .send(chunkHeader(entry, offset), content)
          .then(() => onSent(content.length));
        sent.catch(() => undefined); // awaited in the next round but one, or below
        [before, onItsWay] = [onItsWay, sent];
        [buffer, other] = [other, buffer];
        offset += content.length;
        if (!(await before)) return undefined;
      }
      return (await onItsWay) ? digests.finish() : undefined;
    } finally {
      // The buffers are free for the next file only now.
      await Promise.allSettled([before, onItsWay]);
    }
  }
}

function read(source: OpenSource, buffer: Buffer, bytes: number, offset: number): Buffer {
  try {
    // A copy from the page cache takes less time than handing it to another thread would.
    return buffer.subarray(0, readSync(source.handle.fd, buffer, 0, bytes, offset));
  } catch (error) {
    throw sourceError(source.file, error);
  }
}
