import {
  DIGEST_BLOCK_BYTES,
  FilerError,
  GOT_EVERY_BYTES,
  STREAM_OVERHEAD_BYTES,
  type BasisRequest,
  type Chunk,
  type EntryFailure,
  type FileEnd,
  type FileStart,
  type Grow,
  type Same,
  type Small,
} from '@filer/protocol';
import { outOfPlace } from './ending.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { makeRoom, type RoomOptions } from './make-room.ts';
import { Part } from './part.ts';
import type { Place } from './place.ts';
import { parseSafePath } from './safe-path.ts';
import { release, type Wanted, type WantedEntries } from './wanted-entries.ts';

export interface StreamsOptions extends RoomOptions {
  readonly place: Place;
  readonly sync: boolean;
  readonly mark: string | undefined;
}

/** The stream that is open. Without a part it failed already, and what comes is dropped. */
interface Stream {
  readonly wanted: Wanted;
  readonly isGrowing: boolean;
  size: number;
  readonly mtimeNs: bigint;
  part: Part | undefined;
  position: number;
}

/** A stream came whole. Resolves when the next one may come. */
type TakeWhole = (wanted: Wanted, part: Part, end: FileEnd, mtimeNs: bigint) => Promise<void>;

/** The streams of a transfer, one after the other, each into a part. */
export class IncomingStreams {
  readonly #options: StreamsOptions;
  readonly #owner: Pick<IncomingOwner, 'started' | 'got' | 'progress' | 'failed'>;
  readonly #entries: WantedEntries;
  readonly #whole: TakeWhole;
  /** What was taken since the sender was told of it. */
  #untoldBytes = 0;
  /** The entry given up last: the only one that may begin again, so that those before it are forgotten. */
  #abandoned: Wanted | undefined;
  #stream: Stream | undefined;

  constructor(
    options: StreamsOptions,
    owner: Pick<IncomingOwner, 'started' | 'got' | 'progress' | 'failed'>,
    entries: WantedEntries,
    whole: TakeWhole,
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#entries = entries;
    this.#whole = whole;
  }

  /** Whether one is open. */
  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** A stream begins. @throws FilerError `unexpected-message` */
  async begin({ entry, size, mtimeNs, mode, growing: isGrowing = false }: FileStart): Promise<void> {
    const wanted = this.#entries.get(entry);
    if (this.#stream !== undefined || wanted === undefined || !MAY_BEGIN.has(wanted.state)) {
      throw outOfPlace(`the beginning of entry ${entry}`);
    }
    const stream: Stream = { wanted, isGrowing, size, mtimeNs, part: undefined, position: 0 };
    this.#stream = stream;
    if (wanted.state === 'failed') return; // the sender had not heard of it yet
    if (wanted.state === 'ahead') this.#entries.noLongerAhead(wanted);
    wanted.state = 'open';
    const { name } = wanted;
    this.#owner.started(entry, name, size);
    try {
      await makeRoom(wanted, size, 0, this.#options);
      const { place, parts, sync, mark } = this.#options;
      const components = parseSafePath(name);
      // One that grows may become large enough to be worth it.
      wanted.kept ??= parts.claim(components, isGrowing ? Infinity : size);
      const { kept, hasOlder } = wanted;
      const older = hasOlder
        ? { folder: place.require(components.slice(0, -1)), name: components.at(-1) ?? '' }
        : undefined;
      stream.part = new Part({ folder: place.folder, mark, name, size, mtimeNs, mode, sync, kept, older });
    } catch (error) {
      this.#entries.giveUp(wanted, error);
    }
  }

  /** The file of the open stream has more bytes by now. @throws FilerError `unexpected-message` */
  async grow({ entry, size }: Grow): Promise<void> {
    const stream = this.#streamOf(entry, 'growth');
    if (!stream.isGrowing || size <= stream.size)
      throw outOfPlace(`growing to ${size} bytes of entry ${entry}`);
    stream.size = size;
    const { part, wanted, position } = stream;
    if (part === undefined) return;
    try {
      await makeRoom(wanted, size, position, this.#options);
      part.grow(size);
    } catch (error) {
      stream.part = undefined;
      await part.drop();
      this.#entries.giveUp(wanted, error);
    }
  }

  /**
   * The next bytes of the open stream.
   *
   * @param free called when the chunk's memory is no longer needed
   * @throws FilerError `unexpected-message`
   */
  async chunk({ entry, offset, content }: Chunk, free: () => void): Promise<void> {
    const stream = this.#streamOf(entry, 'a chunk');
    if (offset !== stream.position || offset + content.length > stream.size) {
      throw outOfPlace(`a chunk of ${content.length} bytes at ${offset} of entry ${entry}`);
    }
    stream.position += content.length;
    const isAll = content.length === stream.size && !stream.isGrowing;
    if (stream.part === undefined) free();
    else await this.#advance(stream, content.length, stream.part.append(content, free, isAll));
    this.#tellGot(stream, content.length);
  }

  /** The sender goes no further ahead of what was taken than it may. */
  #tellGot({ wanted: { entry }, size, position }: Stream, bytes: number): void {
    this.#untoldBytes += bytes;
    const isEndOfLarge = position === size && size > DIGEST_BLOCK_BYTES;
    if (this.#untoldBytes < GOT_EVERY_BYTES && !isEndOfLarge) return;
    this.#untoldBytes = 0;
    this.#owner.got({ entry, offset: position });
  }

  /**
   * The next bytes of the open stream are those of the basis.
   *
   * @throws FilerError `unexpected-message`
   */
  async same({ entry, offset, bytes }: Same): Promise<void> {
    const stream = this.#streamOf(entry, 'what is the same');
    const { part } = stream;
    const end = offset + bytes;
    if (offset !== stream.position || end > stream.size || (part !== undefined && end > part.basisBytes)) {
      throw outOfPlace(`${bytes} bytes that are the same at ${offset} of entry ${entry}`);
    }
    stream.position = end;
    if (part !== undefined) await this.#advance(stream, bytes, this.#takeSame(stream, part, bytes));
    this.#tellGot(stream, bytes);
  }

  async #takeSame(stream: Stream, part: Part, bytes: number): Promise<void> {
    if (await part.appendSame(bytes)) return;
    const { wanted } = stream;
    stream.part = undefined;
    await part.drop();
    wanted.hasOlder = false;
    wanted.state = 'lost';
    const message = `what was there of ${JSON.stringify(wanted.name)} changed or is gone`;
    wanted.reason = new FilerError('verification-failed', `${message}: send it again`);
    this.#owner.failed({ entry: wanted.entry, code: 'verification-failed', message, again: true });
  }

  /** The digests of the blocks that are there of the open stream's file. @throws FilerError `unexpected-message` */
  async basis({ entry, first, count }: BasisRequest): Promise<Buffer> {
    const stream = this.#streamOf(entry, 'asking for the basis');
    return (await stream.part?.digestsOfBasis(first, count)) ?? Buffer.alloc(0);
  }

  async #advance(stream: Stream, bytes: number, writing: Promise<void>): Promise<void> {
    const { part, wanted, position, size } = stream;
    try {
      await writing;
    } catch (error) {
      stream.part = undefined;
      await part?.drop();
      this.#entries.giveUp(wanted, error);
      return;
    }
    wanted.promised?.use(bytes);
    this.#owner.progress(wanted.entry, wanted.name, position, size);
  }

  /** The open stream is whole: its file is put in place beside the conversation. */
  async end(end: FileEnd): Promise<void> {
    const stream = this.#streamOf(end.entry, 'an end');
    const { wanted, part, mtimeNs } = stream;
    this.#stream = undefined;
    this.#tellGot(stream, STREAM_OVERHEAD_BYTES);
    if (part === undefined) {
      if (wanted.state === 'lost') this.#entries.fail(wanted, wanted.reason, 'here');
      this.#entries.forget(wanted);
      return;
    }
    wanted.state = 'committing';
    await this.#whole(wanted, part, end, mtimeNs);
  }

  /** A stream that is one message. @throws FilerError `unexpected-message` */
  async small({ content, digest, blocks, ...start }: Small, free: () => void): Promise<void> {
    const { entry, size } = start;
    await this.begin(start);
    if (size > 0) await this.chunk({ entry, offset: 0, content }, free);
    await this.end({ entry, size, digest, blocks });
  }

  /**
   * The sender gives a file up, begun or not; it may begin again.
   *
   * @param hasChanged whether that is because the file changed while it was read
   * @throws FilerError `unexpected-message`
   */
  async abandon({ entry, code, message }: EntryFailure, hasChanged: boolean): Promise<void> {
    const wanted = this.#entries.get(entry);
    const stream = this.#stream;
    const elsewhere = stream !== undefined && stream.wanted !== wanted;
    if (wanted === undefined || wanted.state === 'committing' || elsewhere) {
      throw outOfPlace(`the abandoning of entry ${entry}`);
    }
    this.#stream = undefined;
    // Most of a file that changed is as it was: the next stream is compared with what came.
    if (hasChanged) await stream?.part?.keep();
    else await stream?.part?.drop();
    if (this.#abandoned !== wanted) this.#forgetAbandoned();
    this.#abandoned = wanted;
    if (wanted.state === 'failed') return;
    if (wanted.state === 'ahead') this.#entries.noLongerAhead(wanted);
    wanted.state = 'abandoned';
    wanted.reason = new FilerError(code, message);
    release(wanted);
  }

  /** It does not begin again: another was given up since. */
  #forgetAbandoned(): void {
    const wanted = this.#abandoned;
    if (wanted === undefined) return;
    this.#abandoned = undefined;
    if (wanted.state === 'abandoned') this.#entries.fail(wanted, wanted.reason);
    // One that began again is committing, or is gone already.
    if (wanted.state === 'failed') this.#entries.forget(wanted);
  }

  /** Nothing more comes: what came of the open stream is kept for the next try. */
  async stop(): Promise<void> {
    await this.#stream?.part?.keep();
    this.#stream = undefined;
  }

  #streamOf(entry: number, what: string): Stream {
    if (this.#stream?.wanted.entry !== entry) throw outOfPlace(`${what} of entry ${entry}`);
    return this.#stream;
  }
}

const MAY_BEGIN: ReadonlySet<Wanted['state']> = new Set(['ahead', 'abandoned', 'failed']);
