import {
  FrameDecoder,
  FilerError,
  MAX_AHEAD_BYTES,
  TRANSFER_LIMITS,
  type Message,
  type SegmentHere,
} from '@filer/protocol';
import { outOfPlace } from '../wire/ending.ts';

/** What a sender may have announced and not seen taken: it is a little further ahead than it was told. */
const MAX_OPEN_BYTES = 2 * MAX_AHEAD_BYTES;
/** A segment counts a little beside its content, so that many empty ones are something, too. */
const SEGMENT_BYTES = 1_024;

/** The place of one segment among the messages of a transfer. */
export interface SegmentPlace extends SegmentHere {
  content: Buffer | undefined;
}

/** Who is charged for memory. */
export interface Charged {
  add(bytes: number): void;
  giveBack(bytes: number): void;
}

/** Segments of a transfer, from where they are announced until they were taken. */
export class IncomingSegments {
  readonly #held: Charged | undefined;
  readonly #places = new Map<number, SegmentPlace>();
  readonly #came: () => void;
  #announced = 0;
  #taken = 0;
  #openBytes = 0;
  #more = Promise.withResolvers<void>();
  #isOver = false;

  /** @param came called when the content of one is here */
  constructor(held: Charged | undefined, came: () => void) {
    this.#held = held;
    this.#came = came;
  }

  /** All before that one have their places. */
  get announced(): number {
    return this.#announced;
  }

  /** All before that one were taken. */
  get taken(): number {
    return this.#taken;
  }

  /** @throws FilerError `unexpected-message` */
  announce({ n, bytes }: SegmentHere): SegmentPlace {
    if (n !== this.#announced || this.#openBytes > MAX_OPEN_BYTES) throw outOfPlace('one more segment');
    const place = { n, bytes, content: undefined };
    this.#places.set(n, place);
    this.#announced++;
    this.#openBytes += bytes + SEGMENT_BYTES;
    this.#wake();
    return place;
  }

  /**
   * A segment came. Resolves when the next one of its connection may come.
   *
   * @throws FilerError `unexpected-message` when it is not what was announced
   */
  async come(n: number, content: Buffer): Promise<void> {
    // It may be faster than what announces it.
    while (n >= this.#announced && !this.#isOver) await this.#more.promise;
    const place = this.#places.get(n);
    if (place === undefined || place.content !== undefined) return;
    if (place.bytes !== content.length) throw outOfPlace(`a segment of ${content.length} bytes`);
    place.content = content;
    this.#held?.add(content.length);
    this.#came();
  }

  /** The messages of a segment are taken. @throws FilerError `message-malformed`, what a decoder throws */
  *messagesOf({ n, bytes, content }: SegmentPlace & { readonly content: Buffer }): Generator<Message> {
    const messages: Message[] = [];
    const decoder = new FrameDecoder(TRANSFER_LIMITS);
    decoder.push(content, (message) => messages.push(message));
    if (decoder.midFrame) {
      decoder.drop();
      throw new FilerError('message-malformed', `a segment of ${bytes} bytes ends inside a message`);
    }
    yield* messages;
    this.#taken = n + 1;
    this.#openBytes -= bytes + SEGMENT_BYTES;
    if (this.#places.delete(n)) this.#held?.giveBack(bytes);
  }

  /** Nothing more is taken. */
  close(): void {
    this.#isOver = true;
    for (const { content } of this.#places.values()) this.#held?.giveBack(content?.length ?? 0);
    this.#places.clear();
    this.#wake();
  }

  #wake(): void {
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }
}
