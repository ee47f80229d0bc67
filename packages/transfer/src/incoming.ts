import { setImmediate as turn } from 'node:timers/promises';
import {
  DIGEST_BLOCK_BYTES,
  FilerError,
  GOT_EVERY_BYTES,
  MAX_BATCH_NAME_CHARS,
  STREAM_OVERHEAD_BYTES,
  type BasisRequest,
  type Chunk,
  type Entry,
  type EntryAnswer,
  type EntryFailure,
  type FileEnd,
  type FileStart,
  type Got,
  type Grow,
  type ReceiptFile,
  type Same,
  type Skip,
  type Small,
} from '@filer/protocol';
import { sealOf } from './digests.ts';
import { outOfPlace } from './ending.ts';
import { FilledFolders } from './filled-folders.ts';
import type { FreeSpace, Promised } from './free-space.ts';
import type { KeptParts, KeptPlace } from './kept-parts.ts';
import { makeLink } from './made-link.ts';
import type { FileResult } from './outcome.ts';
import { Part } from './part.ts';
import type { Place } from './place.ts';
import type { Present, There } from './present.ts';
import type { FileFacts } from './refresh-present.ts';
import {
  judgeEntry,
  judgeSize,
  takeAllowed,
  takeRoom,
  type Allowance,
  type ReceivePolicy,
  type Room,
} from './receive-policy.ts';
import { parseSafePath } from './safe-path.ts';

/** Finished files that may be synced and named side by side, while the next ones come in. */
const MAX_COMMITS = 16;

/** Files in place that may be noted together. */
const MAX_NOTES = 1_024;

/** Entries that may be asked for before the first of them begins: a sender keeps a few batches ahead. */
const MAX_AHEAD = 16_384;
/** Bytes of their names: four batches of the longest paths, which is what a sender keeps ahead. */
const MAX_AHEAD_NAME_BYTES = 16 * 1024 * 1024;

/** Files that `check` named for those entries, which may be skipped: 4 MB. One for each that a sender keeps ahead. */
const MAX_AHEAD_FILES = 8_192;

/** Deciding about entries waits for little: this long it may hold up all else, in ms. */
const TURN_MS = 10;

export interface IncomingOptions {
  readonly place: Place;
  readonly parts: KeptParts;
  readonly present: Present;
  readonly space: FreeSpace;
  readonly policy: ReceivePolicy;
  /** What may still come of the offer; counted down. */
  readonly allowance: Allowance;
  readonly sync: boolean;
  readonly mark: string | undefined;
  /** Aborted when the sender is gone: what is still to be decided is not. */
  readonly gone: AbortSignal;
}

/** Who is told what becomes of the files. */
export interface IncomingOwner {
  started(entry: number, name: string, size: number): void;
  /** The sender is to know how far its file was taken. */
  got(got: Got): void;
  progress(entry: number, name: string, fileBytes: number, fileSize: number): void;
  /** A file is in place: the owner notes it and gives the receipt. */
  inPlace(file: ReceiptFile): Promise<void>;
  /** A file was there, and is noted: the owner gives the receipt. */
  wasThere(file: ReceiptFile): void;
  /** The same for those of one batch of entries, in one go. */
  wereThere(files: readonly ReceiptFile[]): void;
  /** The sender is to know that this file, and no other, cannot be taken. */
  failed(failure: EntryFailure): void;
  /** The last word about one file, for this side. */
  result(result: FileResult): void;
  /** Follows work that goes on beside the conversation. Never rejects. */
  follow(work: Promise<void>): Promise<void>;
}

/** An entry that was asked for. */
interface Wanted {
  readonly entry: number;
  readonly name: string;
  size: number;
  promised: Promised | undefined;
  /** Whether it was taken from what may come. */
  isCounted: boolean;
  /** Where its part lies, if that may outlast a cut. */
  kept: KeptPlace | undefined;
  /** What `check` named. */
  readonly files: readonly There[];
  /** What it was like when it was announced. */
  readonly facts: FileFacts;
  hasOlder: boolean;
  /** `lost`: its basis is, and the sender may abandon it and begin it again. */
  state: 'ahead' | 'open' | 'lost' | 'committing' | 'abandoned' | 'failed';
  /** Why its stream was given up, until it begins again. */
  reason?: FilerError;
}

/** A file that needs not come. */
interface Identical {
  readonly entry: number;
  readonly name: string;
  readonly size: number;
  readonly components: readonly string[];
  readonly there: There;
  readonly facts: FileFacts;
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

/** The files of one transfer on their way in: asked for, streaming, or being put in place. */
export class Incoming {
  readonly #options: IncomingOptions;
  readonly #owner: IncomingOwner;
  readonly #entries = new Map<number, Wanted>();
  readonly #commits = new Set<Promise<void>>();
  /** Files in place that their owner is noting. */
  readonly #notes = new Set<Promise<void>>();
  /** Found in the newest batch: its sender is told of them first. */
  #identical: Identical[] = [];
  readonly #folders: FilledFolders;
  /** What was taken since the sender was told of it. */
  #untoldBytes = 0;
  #ahead = 0;
  #aheadNameBytes = 0;
  #aheadFiles = 0;
  /** Of the files that the answer to one batch names. */
  #namedChars = 0;
  /** The entry given up last: the only one that may begin again, so that those before it are forgotten. */
  #abandoned: Wanted | undefined;
  #stream: Stream | undefined;

  constructor(options: IncomingOptions, owner: IncomingOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#folders = new FilledFolders(options.place);
  }

  /**
   * Decides about a batch of entries.
   *
   * @param first the number of the first
   * @throws FilerError `unexpected-message` when too many are announced ahead, `home-not-writable`,
   *   `connection-closed`
   */
  async announce(first: number, entries: readonly Entry[]): Promise<EntryAnswer[]> {
    if (this.#ahead + entries.length > MAX_AHEAD)
      throw outOfPlace(`announcing more than ${MAX_AHEAD} entries ahead`);
    if (this.#aheadNameBytes > MAX_AHEAD_NAME_BYTES)
      throw outOfPlace(`announcing names of more than ${MAX_AHEAD_NAME_BYTES} bytes ahead`);
    const left = await this.#options.space.left(entries.reduce((bytes, { size }) => bytes + size, 0));
    const answers: EntryAnswer[] = [];
    this.#namedChars = 0;
    let since = performance.now();
    for (const [index, entry] of entries.entries()) {
      answers.push(await this.#decide(first + index, entry, left));
      // A path may be hundreds of folders deep, and each is open until its name is on the disk.
      if (this.#options.place.isCrowded) await this.#options.place.thinOut();
      if (performance.now() - since > TURN_MS) {
        await turn();
        since = performance.now();
      }
      if (this.#options.gone.aborted)
        throw new FilerError('connection-closed', 'the sender left while its files were compared');
    }
    await this.#folders.settled(this.#pending());
    return answers;
  }

  /** The smallest number of an entry that is not settled. */
  #pending(): number {
    const [first] = this.#entries.keys();
    return first ?? Infinity;
  }

  async #decide(number: number, entry: Entry, left: Room): Promise<EntryAnswer> {
    const { path: name, size } = entry;
    const { policy, allowance, parts, present } = this.#options;
    try {
      const components = judgeEntry(entry, policy, allowance.names);
      if (policy.leavesOut?.(entry) === true) return { answer: 'unwanted' };
      this.#folders.announced(number, components);
      if (entry.kind !== 'file') takeRoom(left, 0);
      if (entry.kind === 'dir') return await this.#makeFolder(entry, components);
      if (entry.kind === 'link') return await this.#makeLink(entry, components);
      const glance = present.glance(entry, components);
      const found = 'files' in glance ? glance : await present.look(glance, entry, components);
      const { identical, kept: isKept, files, basisBytes } = found;
      if (identical !== undefined) {
        this.#identical.push({
          entry: number,
          name,
          size,
          components,
          there: identical,
          facts: factsOf(entry),
        });
        return { answer: 'have', path: this.#pathOf(components, identical.name), receipt: true };
      }
      if (isKept === true) {
        const path = this.#pathOf(components);
        this.#owner.result({ name, size, status: 'skipped', kept: true, path });
        return { answer: 'have', path };
      }
      // One that may be there already is taken from what may come, and promised room, when it begins.
      const isNew = files.length === 0;
      if (isNew) takeAllowed(allowance, size);
      const kept = parts.claim(components, size);
      const own = kept?.bytes ?? 0;
      const bytes = Math.max(own, basisBytes);
      // What an earlier try left takes no room again; without a part nothing is held until the file begins.
      const promised = isNew ? this.#promise(Math.max(0, size - own), left, kept) : undefined;
      if (own === 0) kept?.release();
      // Of thousands of copies with long names not all fit into one answer, nor into the memory.
      const most = this.#namedChars < MAX_BATCH_NAME_CHARS ? files.length : 1;
      const named = files.slice(0, Math.min(most, Math.max(0, MAX_AHEAD_FILES - this.#aheadFiles)));
      this.#namedChars += named.length * name.length;
      this.#aheadFiles += named.length;
      const wanted = { entry: number, name, size, promised, kept: own > 0 ? kept : undefined };
      this.#entries.set(number, {
        ...wanted,
        files: named,
        facts: factsOf(entry),
        hasOlder: basisBytes > 0,
        isCounted: isNew,
        state: 'ahead',
      });
      this.#ahead++;
      this.#aheadNameBytes += Buffer.byteLength(name);
      if (named.length > 0) {
        const told = named.map((file) => ({
          seal: sealOf(file.digest),
          path: this.#pathOf(components, file.name),
        }));
        return { answer: 'check', bytes, files: told };
      }
      return bytes > 0 ? { answer: 'resume', bytes } : { answer: 'want' };
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      const { code, message } = error;
      this.#owner.result({ name, size, status: 'failed', code, message });
      return { answer: 'refused', code, message };
    }
  }

  /** Relative to the inbox. */
  #pathOf(components: readonly string[], name = components.at(-1) ?? ''): string {
    return this.#options.place.pathOf(components.slice(0, -1), name);
  }

  /** Gives the receipts of what needs not come, after its sender was told that it needs not. */
  async vouch(): Promise<void> {
    const { present, sync } = this.#options;
    const settled: ReceiptFile[] = [];
    for (const identical of this.#identical.splice(0)) {
      const { entry, name, size, components, there, facts } = identical;
      if (present.isSettled(there, facts, sync)) {
        const { digest, blocks, synced } = there;
        const path = this.#pathOf(components, there.name);
        settled.push({ entry, name, path, size, digest, blocks, synced, present: true });
      } else await this.#beside(this.#vouchFor(identical));
    }
    this.#owner.wereThere(settled);
    for (const { name, size, path, digest } of settled)
      this.#owner.result({ name, size, status: 'skipped', path, digest });
  }

  async #vouchFor({ entry, name, size, components, there, facts }: Identical): Promise<void> {
    const { present, sync } = this.#options;
    const { digest, blocks, remembered } = there;
    const path = this.#pathOf(components, there.name);
    try {
      const synced = there.synced || (sync && (await present.sync(components, there)));
      await present.refresh(components, there, facts);
      const file = { entry, name, path, size, digest, blocks, synced, present: true } as const;
      // What is remembered was noted before it was.
      if (remembered) this.#owner.wasThere(file);
      else await this.#owner.inPlace(file);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      const { code, message } = error;
      this.#owner.failed({ entry, code, message });
      this.#owner.result({ name, size, status: 'failed', code, message });
      return;
    }
    this.#owner.result({ name, size, status: 'skipped', path, digest });
  }

  /** Something goes on beside the conversation, unless too much does already. */
  async #beside(work: Promise<void>, all = this.#commits, most = MAX_COMMITS): Promise<void> {
    const followed = this.#owner.follow(work);
    all.add(followed);
    void followed.then(() => all.delete(followed));
    if (all.size >= most) await Promise.race(all);
  }

  /** Resolves when what came whole is in place and noted, or has failed. */
  async #settled(): Promise<void> {
    await Promise.all(this.#commits);
    await Promise.all(this.#notes);
  }

  /** @throws FilerError `no-space`; then the place is free again */
  #promise(bytes: number, left: Room, kept: KeptPlace | undefined): Promised {
    try {
      takeRoom(left, bytes);
      return this.#options.space.promise(bytes);
    } catch (error) {
      kept?.release();
      throw error;
    }
  }

  async #makeFolder({ mtimeNs, mode }: Entry, components: readonly string[]): Promise<EntryAnswer> {
    const { place } = this.#options;
    const path = place.pathOf(components.slice(0, -1), components.at(-1) ?? '');
    await place.inFolder(components, (folder) => folder.makeFillable());
    this.#folders.opened({ components, mtimeNs, mode });
    return { answer: 'made', path };
  }

  async #makeLink(entry: Entry, components: readonly string[]): Promise<EntryAnswer> {
    const { path: name, mtimeNs, target = '' } = entry;
    const { place, sync, allowance } = this.#options;
    const refusal = allowance.files < 1 ? allowance.beyond() : undefined;
    const parents = components.slice(0, -1);
    const made = await place.inFolder(parents, async (folder) => {
      const link = makeLink(folder, components.at(-1) ?? '', target, mtimeNs, refusal);
      if (sync && !link.had) await folder.sync();
      return link;
    });
    if (!made.had) takeAllowed(allowance, 0);
    const path = place.pathOf(parents, made.name);
    this.#owner.result({ name, size: 0, status: made.had ? 'skipped' : 'delivered', path });
    return { answer: made.had ? 'have' : 'made', path };
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
    if (wanted.state === 'ahead') this.#noLongerAhead(wanted);
    wanted.state = 'open';
    const { name } = wanted;
    this.#owner.started(entry, name, size);
    try {
      await this.#makeRoom(wanted, size);
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
      this.#giveUp(wanted, error);
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
      await this.#makeRoom(wanted, size, position);
      part.grow(size);
    } catch (error) {
      stream.part = undefined;
      await part.drop();
      this.#giveUp(wanted, error);
    }
  }

  /**
   * The size may have changed since the entry was announced, and a stream that begins again needs room again.
   *
   * @param written bytes of it, of this stream
   */
  async #makeRoom(wanted: Wanted, size: number, written = 0): Promise<void> {
    if (wanted.promised !== undefined && wanted.size === size) return;
    const { allowance, policy, space, parts } = this.#options;
    release(wanted);
    const kept = wanted.kept === undefined ? 0 : parts.bytesOf(parseSafePath(wanted.name), size);
    const here = Math.min(Math.max(written, kept), size);
    judgeSize(size, policy);
    const needed = size - here;
    takeRoom(await space.left(needed), needed);
    if (!wanted.isCounted) takeAllowed(allowance, size);
    else if (size - wanted.size > allowance.bytes) {
      throw new FilerError('refused', 'it grew beyond what the offer showed: send it again');
    } else allowance.bytes -= size - wanted.size;
    wanted.isCounted = true;
    wanted.size = size;
    wanted.promised = space.promise(needed);
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
      this.#giveUp(wanted, error);
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
      if (wanted.state === 'lost') this.#settle(wanted, wanted.reason);
      this.#entries.delete(wanted.entry);
      return;
    }
    wanted.state = 'committing';
    await this.#beside(this.#commit(wanted, part, end, mtimeNs));
  }

  async #commit(wanted: Wanted, part: Part, end: FileEnd, mtimeNs: bigint): Promise<void> {
    const { entry, name, size } = wanted;
    const components = parseSafePath(name); // taken apart again: kept for every entry they would fill the memory
    const { place, present, sync: synced } = this.#options;
    let file: ReceiptFile;
    let remember: (file: ReceiptFile) => void = () => undefined;
    try {
      const digests = await part.verify(end);
      const [parents, own] = [components.slice(0, -1), components.at(-1) ?? ''];
      const taken = await place.inFolder(parents, async (folder) => {
        const replaces = await present.replaceable(folder, components, mtimeNs);
        const name = await part.commit(folder, own, replaces);
        remember = present.written(folder, name, mtimeNs);
        return name;
      });
      file = { entry, name, path: place.pathOf(parents, taken), size, ...digests, synced };
    } catch (error) {
      await part.drop();
      this.#giveUp(wanted, error);
      this.#entries.delete(entry);
      return;
    }
    await this.#beside(this.#note(wanted, file, remember), this.#notes, MAX_NOTES);
  }

  /** A stream that is one message. @throws FilerError `unexpected-message` */
  async small({ content, digest, blocks, ...start }: Small, free: () => void): Promise<void> {
    const { entry, size } = start;
    await this.begin(start);
    if (size > 0) await this.chunk({ entry, offset: 0, content }, free);
    await this.end({ entry, size, digest, blocks });
  }

  /** Tells the owner of a file in place, who may need some time to note it; the next ones are placed meanwhile. */
  async #note(wanted: Wanted, file: ReceiptFile, remember: (file: ReceiptFile) => void): Promise<void> {
    const { entry, name, size } = wanted;
    await this.#owner.inPlace(file);
    remember(file);
    releaseAll(wanted);
    this.#entries.delete(entry);
    this.#owner.result({ name, size, status: 'delivered', path: file.path, digest: file.digest });
  }

  /** The sender's file is one that is here. @throws FilerError `unexpected-message` */
  async skip({ entry, digest }: Skip): Promise<void> {
    const wanted = this.#entries.get(entry);
    const there = wanted?.files.find((each) => each.digest === digest);
    if (wanted?.state !== 'ahead' || there === undefined) throw outOfPlace(`skipping entry ${entry}`);
    this.#noLongerAhead(wanted);
    releaseAll(wanted);
    this.#entries.delete(entry);
    const { name, size } = wanted;
    await this.#beside(
      this.#vouchFor({ entry, name, size, components: parseSafePath(name), there, facts: wanted.facts }),
    );
  }

  /** The sender gives a file up, begun or not; it may begin again. @throws FilerError `unexpected-message` */
  async abandon({ entry, code, message }: EntryFailure): Promise<void> {
    const wanted = this.#entries.get(entry);
    const stream = this.#stream;
    const elsewhere = stream !== undefined && stream.wanted !== wanted;
    if (wanted === undefined || wanted.state === 'committing' || elsewhere) {
      throw outOfPlace(`the abandoning of entry ${entry}`);
    }
    this.#stream = undefined;
    // Most of a file that changed is as it was: the next stream is compared with what came.
    if (code === 'source-changed') await stream?.part?.keep();
    else await stream?.part?.drop();
    if (this.#abandoned !== wanted) this.#forgetAbandoned();
    this.#abandoned = wanted;
    if (wanted.state === 'failed') return;
    if (wanted.state === 'ahead') this.#noLongerAhead(wanted);
    wanted.state = 'abandoned';
    wanted.reason = new FilerError(code, message);
    release(wanted);
  }

  /** It does not begin again: another was given up since. */
  #forgetAbandoned(): void {
    const wanted = this.#abandoned;
    if (wanted === undefined) return;
    this.#abandoned = undefined;
    if (wanted.state === 'abandoned') this.#settle(wanted, wanted.reason);
    // One that began again is committing, or is gone already.
    if (wanted.state === 'failed') this.#entries.delete(wanted.entry);
  }

  #noLongerAhead(wanted: Wanted): void {
    this.#ahead--;
    this.#aheadFiles -= wanted.files.length;
    this.#aheadNameBytes -= Buffer.byteLength(wanted.name);
  }

  /**
   * The sender has nothing left to send. Resolves when every file that came whole is in place or has failed.
   *
   * @throws FilerError `unexpected-message` when something is still owed
   */
  async finish(): Promise<void> {
    if (this.#stream !== undefined || this.#ahead > 0) throw outOfPlace('done');
    await this.#settled();
    this.#settleRest(NOT_SENT);
    await this.#folders.finish();
  }

  /** The transfer ended early: keeps what is not whole for the next try, and lets what is whole get its place. */
  async stop(reason: FilerError): Promise<void> {
    await this.#stream?.part?.keep();
    this.#stream = undefined;
    await this.#settled();
    this.#settleRest(reason);
    await this.#folders.finish();
  }

  #settleRest(reason: FilerError): void {
    for (const { name, size } of this.#identical.splice(0)) {
      const { code, message } = reason;
      this.#owner.result({ name, size, status: 'failed', code, message });
    }
    for (const wanted of this.#entries.values()) {
      if (wanted.state !== 'failed') this.#settle(wanted, wanted.reason ?? reason);
    }
  }

  #streamOf(entry: number, what: string): Stream {
    if (this.#stream?.wanted.entry !== entry) throw outOfPlace(`${what} of entry ${entry}`);
    return this.#stream;
  }

  /** One file cannot be taken, the others can. @throws what is no FilerError */
  #giveUp(wanted: Wanted, error: unknown): void {
    if (!(error instanceof FilerError)) throw error;
    this.#owner.failed({ entry: wanted.entry, code: error.code, message: error.message });
    this.#settle(wanted, error);
  }

  #settle(wanted: Wanted, { code, message }: FilerError = NOT_SENT): void {
    releaseAll(wanted);
    wanted.state = 'failed';
    const { name, size } = wanted;
    this.#owner.result({ name, size, status: 'failed', code, message });
  }
}

const NOT_SENT = new FilerError('internal', 'it was neither sent nor given up');

const MAY_BEGIN: ReadonlySet<Wanted['state']> = new Set(['ahead', 'abandoned', 'failed']);

function factsOf({ mtimeNs, mode }: Entry): FileFacts {
  return { mtimeNs, mode };
}

function release(wanted: Wanted): void {
  wanted.promised?.release();
  wanted.promised = undefined;
}

/** The same, and its part's place is free for another transfer. */
function releaseAll(wanted: Wanted): void {
  release(wanted);
  wanted.kept?.release();
  wanted.kept = undefined;
}
