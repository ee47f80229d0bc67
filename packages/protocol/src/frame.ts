/*
 * One frame on the wire:
 *
 *   offset  size  field
 *   0       4     H  header length in bytes, unsigned, big-endian
 *   4       4     C  content length in bytes, unsigned, big-endian
 *   8       H     header: UTF-8 JSON object whose values are all strings; H = 0 means {}
 *   8+H     C     content
 */
import { FilerError } from './errors.ts';
import type { Held } from './fairness/held.ts';
import { formatHeader, headerText, parseHeader, type Header, type Message } from './header.ts';
import { MAX_CONTENT_BYTES, MAX_HEADER_BYTES, PREFIX_BYTES } from './limits.ts';
import { rooms } from './rooms.ts';

const NO_BYTES = Buffer.alloc(0);

/** What a decoder takes; both are refused from the prefix, before anything is allocated. */
export interface FrameLimits {
  /** @default MAX_HEADER_BYTES */
  readonly maxHeaderBytes?: number;
  /** @default MAX_CONTENT_BYTES */
  readonly maxContentBytes?: number;
}

function tooLarge(part: string, bytes: number, limit: number): FilerError {
  return new FilerError('frame-too-large', `the ${part} is ${bytes} bytes, the limit is ${limit}`);
}

function tooManyParts(): FilerError {
  return new FilerError(
    'rate-limited',
    'unfinished messages of this machine take all the memory that it may use here: try again later',
  );
}

/**
 * Prefix and header of a frame whose content follows separately (so that a large content is never copied).
 *
 * @throws FilerError `frame-too-large`, `frame-malformed`
 */
export function encodeFrameHead(header: Header, contentBytes: number): Buffer {
  return layOut(header, contentBytes, 0);
}

/** @param room bytes left free after the header */
function layOut(header: Header, contentBytes: number, room: number): Buffer {
  if (contentBytes > MAX_CONTENT_BYTES) throw tooLarge('content', contentBytes, MAX_CONTENT_BYTES);
  const headerBytes = formatHeader(header);
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + headerBytes.length + room);
  frame.writeUInt32BE(headerBytes.length, 0);
  frame.writeUInt32BE(contentBytes, 4);
  frame.set(headerBytes, PREFIX_BYTES);
  return frame;
}

/**
 * Lays out one frame.
 *
 * @param content copied once; the caller may reuse it afterwards
 * @returns 8 + header + content bytes
 * @throws FilerError `frame-too-large` when either part is above its limit, `frame-malformed` for a header that
 *   no receiver would take
 */
export function encodeFrame(header: Header, content: Uint8Array = NO_BYTES): Buffer {
  const frame = layOut(header, content.length, content.length);
  frame.set(content, frame.length - content.length);
  return frame;
}

/**
 * Lays out one frame in memory of the caller's.
 *
 * @param at where in it the frame begins
 * @param content copied; the caller may reuse it afterwards
 * @returns where the frame ends; undefined when it does not fit
 * @throws FilerError as `encodeFrame`
 */
export function layOutFrame(
  into: Buffer,
  at: number,
  header: Header,
  content: Uint8Array,
): number | undefined {
  if (content.length > MAX_CONTENT_BYTES) throw tooLarge('content', content.length, MAX_CONTENT_BYTES);
  const text = headerText(header);
  const headerBytes = Buffer.byteLength(text);
  const contentAt = at + PREFIX_BYTES + headerBytes;
  if (contentAt + content.length > into.length) return undefined;
  into.writeUInt32BE(headerBytes, at);
  into.writeUInt32BE(content.length, at + 4);
  into.write(text, at + PREFIX_BYTES);
  into.set(content, contentAt);
  return contentAt + content.length;
}

/**
 * Takes pieces as a socket gives them, cut anywhere, and delivers whole messages.
 *
 * Room for a part that is not yet whole is made once, from the checked lengths, and filled in place. A part
 * that is whole in one piece is not copied: the piece must not be reused by its giver (sockets do not).
 * After it has thrown, a decoder cannot be used again: the stream has lost its frames.
 */
export class FrameDecoder {
  #maxHeaderBytes: number;
  #maxContentBytes: number;
  /** Of a frame that was cut there, which is rare: one for each connection would keep as many pieces of Node's shared memory. */
  #prefix: Buffer | undefined;
  #filled = 0;
  #part: 'prefix' | 'header' | 'content' = 'prefix';
  #headerBytes = 0;
  #contentBytes = 0;
  #room: Buffer | undefined;
  #header: Header = parseHeader(NO_BYTES);

  readonly #copies: boolean;
  readonly #held: Held | undefined;

  /**
   * @param copies whether the giver uses its pieces again: then no part of one is handed out @default false
   * @param held charged for the part of a frame that is not whole yet
   */
  constructor(limits: FrameLimits = {}, copies = false, held?: Held) {
    this.#copies = copies;
    this.#held = held;
    this.#maxHeaderBytes = limits.maxHeaderBytes ?? MAX_HEADER_BYTES;
    this.#maxContentBytes = limits.maxContentBytes ?? MAX_CONTENT_BYTES;
  }

  /** Other limits from the next frame on: the `hello` of an unauthenticated peer is bounded tighter than a member's messages. */
  setLimits(limits: FrameLimits): void {
    this.#maxHeaderBytes = limits.maxHeaderBytes ?? MAX_HEADER_BYTES;
    this.#maxContentBytes = limits.maxContentBytes ?? MAX_CONTENT_BYTES;
  }

  /** Takes back the memory of a delivered content, which must not be used again; it will hold a later one. */
  recycle(content: Buffer): void {
    rooms.giveBack(content);
  }

  /** Whether the stream stands inside a frame: an end here lost a part of it. */
  get midFrame(): boolean {
    return this.#part !== 'prefix' || this.#filled > 0;
  }

  /**
   * @param piece read to its end
   * @param deliver called for each message that is now whole, in order
   * @throws FilerError `frame-too-large`, `frame-malformed`, `rate-limited` when the sender has more unfinished frames
   *   under way than it may; messages before the bad frame were delivered
   */
  push(piece: Buffer, deliver: (message: Message) => void): void {
    let at = 0;
    for (;;) {
      if (this.#part === 'prefix') {
        at = this.#readPrefix(piece, at);
        if (at < 0) return;
      }
      if (this.#part === 'header') {
        const bytes = this.#take(piece, at, this.#headerBytes);
        if (bytes === undefined) return;
        at += this.#taken;
        this.#header = parseHeader(bytes);
        this.#part = 'content';
      }
      const content = this.#take(piece, at, this.#contentBytes);
      if (content === undefined) return;
      at += this.#taken;
      this.#part = 'prefix';
      deliver({ header: this.#header, content });
      if (at === piece.length) return;
    }
  }

  /** Frees the part of a frame that will never be whole: the connection is gone. */
  drop(): void {
    if (this.#room !== undefined) this.#held?.giveBack(this.#room.length);
    this.#room = undefined;
  }

  /** Bytes that the last whole `#take` used of its piece. */
  #taken = 0;

  /** @returns where the next part begins, or -1 when the piece ended inside the prefix */
  #readPrefix(piece: Buffer, at: number): number {
    let source = piece;
    let offset = at;
    const wanted = PREFIX_BYTES - this.#filled;
    if (this.#filled > 0 || piece.length - at < PREFIX_BYTES) {
      this.#prefix ??= Buffer.allocUnsafeSlow(PREFIX_BYTES);
      const copied = piece.copy(this.#prefix, this.#filled, at, at + wanted);
      this.#filled += copied;
      if (this.#filled < PREFIX_BYTES) return -1;
      source = this.#prefix;
      offset = 0;
      this.#prefix = undefined;
    }
    this.#filled = 0;
    this.#headerBytes = source.readUInt32BE(offset);
    this.#contentBytes = source.readUInt32BE(offset + 4);
    if (this.#headerBytes > this.#maxHeaderBytes)
      throw tooLarge('header', this.#headerBytes, this.#maxHeaderBytes);
    if (this.#contentBytes > this.#maxContentBytes) {
      throw tooLarge('content', this.#contentBytes, this.#maxContentBytes);
    }
    this.#part = 'header';
    return at + wanted;
  }

  /** The part's bytes once all `wanted` are there (then `#taken` says how many came from this piece). */
  #take(piece: Buffer, at: number, wanted: number): Buffer | undefined {
    const there = piece.length - at;
    if (this.#room === undefined) {
      if (there >= wanted) {
        this.#taken = wanted;
        if (wanted === 0) return NO_BYTES;
        const part = piece.subarray(at, at + wanted);
        return this.#copies ? Buffer.from(part) : part;
      }
      if (this.#held?.tryAdd(wanted) === false) throw tooManyParts();
      this.#room = rooms.take(wanted);
      this.#filled = 0;
    }
    const copied = piece.copy(this.#room, this.#filled, at, at + wanted - this.#filled);
    this.#filled += copied;
    if (this.#filled < wanted) return undefined;
    const whole = this.#room;
    this.#held?.giveBack(wanted);
    this.#room = undefined;
    this.#filled = 0;
    this.#taken = copied;
    return whole;
  }
}
