import {
  FilerError,
  GOT_EVERY_BYTES,
  STREAM_OVERHEAD_BYTES,
  type BasisBlockList,
  type BasisRequest,
  type Chunk,
  type EntryFailure,
  type FileEnd,
  type FileStart,
  type Got,
  type Grow,
  type Same,
  type Small,
} from '@filer/protocol';
import type { FileSink } from '../digests/blocks.ts';
import { outOfPlace } from '../wire/ending.ts';
import { IncomingBlocks, type NextBytes } from './incoming-blocks.ts';
import { OpenStream } from './open-stream.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { release, type Wanted, type WantedEntries } from './wanted-entries.ts';

/** Where files go. */
export interface Destination<S extends FileSink> {
  /** Opens the sink of a stream that begins. @throws FilerError why the file cannot be taken */
  open(wanted: Wanted, start: FileStart): Promise<S>;
  /** A stream may become so large. @param written bytes of it @throws FilerError when it may not */
  makeRoom(wanted: Wanted, size: number, written: number): Promise<void>;
  /** A stream came whole. Resolves when the next one may come. */
  whole(wanted: Wanted, blocks: IncomingBlocks<S>, end: FileEnd, mtimeNs: bigint): Promise<void>;
  /**
   * A file came whole, as one of many.
   *
   * @returns resolves when the next one may come; undefined where it is to come as a stream
   */
  small?(wanted: Wanted, file: Small): Promise<void> | undefined;
}

/** The streams of a transfer, one after the other, each into a sink. */
export class IncomingStreams<S extends FileSink = FileSink> {
  readonly #owner: Pick<IncomingOwner, 'started' | 'got' | 'progress' | 'failed'>;
  readonly #entries: WantedEntries;
  readonly #destination: Destination<S>;
  /** What was taken since the sender was told about it. */
  #untoldBytes = 0;
  /** The entry given up last: the only one that may begin again, so that those before it are forgotten. */
  #abandoned: Wanted | undefined;
  #stream: OpenStream<S> | undefined;
  /** The stream that ended last, all of it. */
  #ended: Got | undefined;

  constructor(
    destination: Destination<S>,
    owner: Pick<IncomingOwner, 'started' | 'got' | 'progress' | 'failed'>,
    entries: WantedEntries,
  ) {
    this.#destination = destination;
    this.#owner = owner;
    this.#entries = entries;
  }

  /** Whether one is open. */
  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** A stream begins. @throws FilerError `unexpected-message` */
  async begin(start: FileStart, mayBeginAgain = true): Promise<void> {
    const { entry, size } = start;
    const wanted = this.#entries.get(entry);
    if (this.#stream !== undefined || wanted === undefined || !MAY_BEGIN.has(wanted.state)) {
      throw outOfPlace(`the beginning of entry ${entry}`);
    }
    const stream = new OpenStream<S>(wanted, start, mayBeginAgain);
    this.#stream = stream;
    if (wanted.state === 'failed') return; // the sender had not heard of it yet
    if (wanted.state === 'ahead') this.#entries.noLongerAhead(wanted);
    wanted.state = 'open';
    this.#owner.started(entry, wanted.name, size);
    try {
      const sink = await this.#destination.open(wanted, start);
      const written = (bytes: number): void => wanted.promised?.use(bytes);
      const { name } = wanted;
      stream.blocks = new IncomingBlocks(sink, { name, size, isGrowing: stream.isGrowing, written });
    } catch (error) {
      this.#entries.giveUp(wanted, error);
    }
  }

  /** The file of the open stream has more bytes by now. @throws FilerError `unexpected-message` */
  async grow(grow: Grow): Promise<void> {
    const { entry, size } = grow;
    const stream = this.#streamOf(entry, 'growth');
    stream.grow(grow);
    const { blocks, wanted, position } = stream;
    if (blocks === undefined) return;
    try {
      await this.#destination.makeRoom(wanted, size, position);
      blocks.grow(size);
    } catch (error) {
      await this.#giveUp(stream, error);
    }
  }

  /**
   * The next bytes of the open stream.
   *
   * @param free called when the chunk's memory is no longer needed
   * @throws FilerError `unexpected-message`
   */
  async chunk(chunk: Chunk, free: () => void): Promise<void> {
    const { entry, content, block } = chunk;
    const stream = this.#streamOf(entry, 'a chunk');
    stream.passChunk(chunk);
    const { blocks } = stream;
    if (blocks === undefined) free();
    else await this.#advance(stream, this.#append(stream, blocks, { content, block }, free));
    this.#tellGot(stream, content.length);
  }

  /** Tells what was taken of files that are whole, however little that is. */
  tellTaken(): void {
    if (this.#stream !== undefined || this.#ended === undefined || this.#untoldBytes === 0) return;
    this.#untoldBytes = 0;
    this.#owner.got(this.#ended);
  }

  /** The sender goes no further ahead of what was taken than it may. */
  #tellGot(stream: OpenStream<S>, bytes: number): void {
    this.#untoldBytes += bytes;
    const offset = stream.gotAfter(this.#untoldBytes);
    if (offset === undefined) return;
    this.#untoldBytes = 0;
    this.#owner.got({ entry: stream.wanted.entry, offset });
  }

  /**
   * The next bytes of the open stream are those of the basis.
   *
   * @throws FilerError `unexpected-message`
   */
  async same(same: Same): Promise<void> {
    const { entry, bytes } = same;
    const stream = this.#streamOf(entry, 'what is the same');
    stream.passSame(same);
    const { blocks } = stream;
    if (blocks !== undefined) await this.#advance(stream, this.#appendSame(stream, blocks, same));
    this.#tellGot(stream, bytes);
  }

  async #append(
    stream: OpenStream<S>,
    blocks: IncomingBlocks<S>,
    next: NextBytes,
    free: () => void,
  ): Promise<void> {
    if (await blocks.append(next, free)) return;
    const { wanted } = stream;
    const message = `a block of ${JSON.stringify(wanted.name)} at ${blocks.verified} is not what its digest says`;
    // Blocks before it are verified: the next stream begins after them.
    stream.blocks = undefined;
    const bytes = await blocks.sink.keep();
    if (wanted.hadWrongBlock === true || !stream.mayBeginAgain)
      throw new FilerError('verification-failed', `${message}: send it again`);
    wanted.hadWrongBlock = true;
    this.#lose(wanted, message, bytes);
  }

  async #appendSame(
    stream: OpenStream<S>,
    blocks: IncomingBlocks<S>,
    { bytes, from, block }: Same,
  ): Promise<void> {
    if (await (from === undefined ? blocks.same(bytes) : blocks.moved(bytes, from, block))) return;
    const { wanted } = stream;
    stream.blocks = undefined;
    await blocks.sink.drop();
    wanted.hasOlder = false;
    this.#lose(wanted, `what was there of ${JSON.stringify(wanted.name)} changed or is gone`);
  }

  /** The stream is over; the sender may begin it again. @param bytes that it can be compared with */
  #lose(wanted: Wanted, message: string, bytes?: number): void {
    wanted.state = 'lost';
    wanted.reason = new FilerError('verification-failed', `${message}: send it again`);
    this.#owner.failed({ entry: wanted.entry, code: 'verification-failed', message, again: true, bytes });
  }

  /** The digests of the blocks that are there of the open stream's file. @throws FilerError `unexpected-message` */
  async basis({ entry, first, count, sums }: BasisRequest): Promise<BasisBlockList> {
    const { blocks } = this.#streamOf(entry, 'asking for the basis');
    const withSums = sums ? await blocks?.basisWithSums(first, count) : undefined;
    if (withSums !== undefined) return withSums;
    return { digests: (await blocks?.basis(first, count)) ?? Buffer.alloc(0), sums: undefined };
  }

  async #advance(stream: OpenStream<S>, writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      return await this.#giveUp(stream, error);
    }
    const { wanted, position, size } = stream;
    this.#owner.progress(wanted.entry, wanted.name, position, size);
  }

  async #giveUp(stream: OpenStream<S>, error: unknown): Promise<void> {
    const { blocks, wanted } = stream;
    stream.blocks = undefined;
    await blocks?.sink.drop();
    this.#entries.giveUp(wanted, error);
  }

  /** The open stream is whole: its file is put in place beside the conversation. */
  async end(end: FileEnd): Promise<void> {
    const stream = this.#streamOf(end.entry, 'an end');
    const { wanted, blocks, mtimeNs } = stream;
    this.#stream = undefined;
    this.#ended = { entry: end.entry, offset: stream.size };
    this.#tellGot(stream, STREAM_OVERHEAD_BYTES);
    if (blocks === undefined) {
      if (wanted.state === 'lost') this.#entries.fail(wanted, wanted.reason, 'here');
      this.#entries.forget(wanted);
      return;
    }
    wanted.state = 'committing';
    await this.#destination.whole(wanted, blocks, end, mtimeNs);
  }

  /** A stream that is one message. @throws FilerError `unexpected-message` */
  async small(file: Small, free: () => void): Promise<void> {
    const { content, digest, blocks, ...start } = file;
    const { entry, size } = start;
    const wanted = this.#stream === undefined ? this.#entries.get(entry) : undefined;
    const taken = wanted === undefined ? undefined : this.#destination.small?.(wanted, file);
    if (wanted !== undefined && taken !== undefined) {
      free();
      this.#owner.started(entry, wanted.name, size);
      this.#owner.progress(entry, wanted.name, size, size);
      this.#ended = { entry, offset: size };
      this.#untoldBytes += size + STREAM_OVERHEAD_BYTES;
      if (this.#untoldBytes >= GOT_EVERY_BYTES) this.tellTaken();
      return await taken;
    }
    await this.begin(start, false);
    if (size > 0) await this.chunk({ entry, offset: 0, content, block: digest }, free);
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
    if (hasChanged) await stream?.blocks?.sink.keep();
    else await stream?.blocks?.sink.drop();
    if (this.#abandoned !== wanted) this.#forgetAbandoned();
    this.#abandoned = wanted;
    if (wanted.state === 'failed') return;
    if (wanted.state === 'ahead') this.#entries.noLongerAhead(wanted);
    // Of one that was lost here, the sender repeats why.
    if (wanted.state !== 'lost') wanted.reason = new FilerError(code, message);
    wanted.state = 'abandoned';
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
    await this.#stream?.blocks?.sink.keep();
    this.#stream = undefined;
  }

  #streamOf(entry: number, what: string): OpenStream<S> {
    if (this.#stream?.wanted.entry !== entry) throw outOfPlace(`${what} of entry ${entry}`);
    return this.#stream;
  }
}

const MAY_BEGIN: ReadonlySet<Wanted['state']> = new Set(['ahead', 'abandoned', 'failed']);
