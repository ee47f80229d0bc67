import {
  callMessage,
  MAX_HOLDERS,
  pause,
  repointMessage,
  supplyMessage,
  type CarriedBytes,
  type Got,
  type Lacking,
  type Unreached,
} from '@filer/protocol';
import { send, type Channel } from '../wire/channel.ts';
import type { Limit } from '../wire/rate-limit.ts';
import { BlocksOnTheirWay, type BlockOnItsWay } from './blocks-on-their-way.ts';
import { KnownBlocks } from './known-blocks.ts';

/** How long one waits for the holder to come to where it is itself, in ms. */
const WAIT_MS = 4_000;

/** So many blocks, one after the other, that a holder does not have, are no chance. */
const MANY_MISSED = 4;

/** What a lane tells its race, and asks it. */
export interface Race {
  holderOf(id: string): RelayLane | undefined;
  /** How many remember digests. */
  readonly remembering: number;
  found(bytes: number): void;
  heard(id: string): void;
  /** @param isBlock whether a whole block came */
  moved(id: string, isBlock?: boolean): void;
  progressed(id: string, bytes: number): void;
  failed(id: string, holder: string): void;
  /** A recipient lacks what its holder does not have. */
  passedBy(id: string, holder: string): void;
  leave(lane: RelayLane, hasAll: boolean): void;
}

export interface LaneOptions {
  readonly race: Race;
  readonly id: string;
  readonly channel: Channel;
  /** Of the sender's own uplink. */
  readonly limit: Limit | undefined;
  /** Aborted when the connection has ended. */
  readonly stop: AbortSignal;
  /** Blocks that it has from before: it is sent nothing. @default it is a recipient */
  readonly has?: readonly string[] | undefined;
  /** Content comes of others from now on. Called once. */
  readonly joined?: (() => void) | undefined;
  /** The sender gave so much of what was awaited of others. */
  readonly supplied?: ((bytes: number) => void) | undefined;
  /** The transfer cannot continue. */
  readonly failed: (error: unknown) => void;
}

/** What one recipient has, gets, and of whom: the part of one connection in a `RelayRace`. */
export class RelayLane {
  readonly id: string;
  readonly channel: Channel;
  readonly #options: LaneOptions;
  readonly #race: Race;
  readonly #known = new KnownBlocks();
  readonly #onItsWay = new BlocksOnTheirWay();
  readonly #met = new Set<RelayLane>();
  /** Holders that were asked to open the connection. */
  readonly #called = new Set<string>();
  readonly #carried = new Map<string, number>();
  #entry = -1;
  #offset = 0;
  #takenBytes = 0;
  /** Bytes that came of all holders, by what it says. */
  #came = 0;
  #isSupplying = false;
  /** The holder that did not answer in time, where it was then. */
  #gaveUpOn: { readonly holder: RelayLane; readonly entry: number; readonly offset: number } | undefined;
  #missed = 0;
  isOpen = true;
  /** Those that wait for what this one gets. */
  readonly #behind = new Set<RelayLane>();
  #woken = Promise.withResolvers<void>();

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#race = options.race;
    this.id = options.id;
    this.channel = options.channel;
    if (options.has === undefined) return;
    for (const digest of options.has) this.#know(digest, true);
    this.#entry = Number.MAX_SAFE_INTEGER;
  }

  /** Whether it gets something itself. */
  get isRecipient(): boolean {
    return this.#options.has === undefined;
  }

  /** Bytes that it says it has of others. */
  get carriedBy(): ReadonlyMap<string, number> {
    return this.#carried;
  }

  get carriedBytes(): number {
    return this.#carried.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  joined(): void {
    this.#options.joined?.();
  }

  knows(holder: RelayLane): boolean {
    return this.#met.has(holder);
  }

  /** @returns false when the holder can be told nothing any more, or knows enough others */
  meet(holder: RelayLane): boolean {
    if (!holder.isOpen || this.#met.size >= MAX_HOLDERS || holder.#met.size >= MAX_HOLDERS) return false;
    this.#met.add(holder);
    return true;
  }

  /**
   * Who has a block, or gets it before this recipient does.
   *
   * @returns undefined when it is the sender's to send
   */
  async holderOf(entry: number, end: number, digest: string): Promise<string | undefined> {
    const { stop } = this.#options;
    const since = performance.now();
    const decided = new AbortController();
    let tooLong: Promise<void> | undefined;
    try {
      while (!stop.aborted) {
        const holder = this.#race.holderOf(this.id);
        if (holder === undefined || !this.knows(holder)) return undefined;
        if (holder.#known.has(digest)) {
          this.#missed = 0;
          return holder.id;
        }
        if (holder.#isPast(entry, end)) return this.#miss(holder);
        if (this.#gaveUp(holder)) return undefined;
        if (performance.now() - since >= WAIT_MS) {
          this.#gaveUpOn = { holder, entry: holder.#entry, offset: holder.#offset };
          return undefined;
        }
        tooLong ??= pause(WAIT_MS, AbortSignal.any([stop, decided.signal]));
        holder.#behind.add(this);
        await Promise.race([this.#woken.promise, tooLong]);
        holder.#behind.delete(this);
      }
      return undefined;
    } finally {
      decided.abort();
    }
  }

  /** Its holder has it from before, or has forgotten it: where that is so again and again, another one may have it. */
  #miss(holder: RelayLane): undefined {
    if (++this.#missed < MANY_MISSED) return;
    this.#missed = 0;
    this.#race.passedBy(this.id, holder.id);
  }

  /** What it waits for may have changed. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
  }

  #stepped(): void {
    for (const lane of this.#behind) lane.wake();
  }

  /** No one takes from it any more. */
  forget(): void {
    this.#known.clear();
  }

  get remembers(): boolean {
    return this.isOpen || this.#known.size > 0;
  }

  #isPast(entry: number, end: number): boolean {
    return !this.isOpen || this.#entry > entry || (this.#entry === entry && this.#offset >= end);
  }

  #gaveUp(holder: RelayLane): boolean {
    const before = this.#gaveUpOn;
    if (before?.holder === holder && before.entry === holder.#entry && before.offset === holder.#offset)
      return true;
    this.#gaveUpOn = undefined;
    return false;
  }

  /** A block was sent, or who has it was named. */
  sent(block: BlockOnItsWay): void {
    this.at(block.entry, block.end);
    this.#onItsWay.add(block);
    this.#know(block.digest, false);
  }

  /** So much of the job was found by now. */
  found(bytes: number): void {
    this.#race.found(bytes);
  }

  /** All of the job up to there was dealt with. */
  at(entry: number, offset: number): void {
    this.#entry = entry;
    this.#offset = offset;
    this.#stepped();
  }

  #know(digest: string, isTaken: boolean): void {
    this.#known.add(digest, isTaken, this.#race.remembering);
  }

  /** The recipient has taken all of its streams up to there. */
  got(got: Got): void {
    for (const { digest, bytes } of this.#onItsWay.taken(got)) {
      this.#know(digest, true);
      this.#takenBytes += bytes;
    }
    this.#race.progressed(this.id, this.#takenBytes);
  }

  /** An entry begins once more, or is given up. */
  abandoned(entry: number): void {
    this.#onItsWay.abandoned(entry);
  }

  /** What was named of its holder that has it, and whether no one else holds up what is on its way. */
  there(): { readonly bytes: number; readonly isAll: boolean } {
    const holder = this.#race.holderOf(this.id);
    if (holder === undefined) return { bytes: 0, isAll: false };
    const there = this.#onItsWay.of(holder.id).filter(({ digest }) => holder.#known.isTaken(digest));
    const bytes = there.reduce((sum, each) => sum + each.bytes, 0);
    return { bytes, isAll: bytes > 0 && there.length === this.#onItsWay.of().length };
  }

  heard(): void {
    this.#race.heard(this.id);
  }

  carried(carried: readonly CarriedBytes[]): void {
    const came = carried.reduce((sum, each) => sum + each.came, 0);
    const before = this.carriedBytes;
    for (const { peer, bytes } of carried) this.#carried.set(peer, bytes);
    if (came > this.#came) this.#race.moved(this.id, this.carriedBytes > before);
    this.#came = Math.max(this.#came, came);
  }

  /** A holder that this one cannot reach is asked to open the connection, once. */
  unreached({ peer, callBack }: Unreached): void {
    const holder = [...this.#met].find(({ id }) => id === peer);
    if (holder?.isOpen !== true || this.#called.has(peer)) return;
    this.#called.add(peer);
    void send(holder.channel, callMessage.format({ peer: this.id, callBack })).catch(() => undefined);
  }

  lacking({ peer }: Lacking): void {
    this.#race.failed(this.id, peer);
    // It may be one that was replaced meanwhile: what is still awaited of it comes of who has its place.
    if (this.#onItsWay.of(peer).length > 0) this.repoint(peer, this.#holderNow(peer));
  }

  #holderNow(notOf: string): string | undefined {
    const holder = this.#race.holderOf(this.id);
    return holder !== undefined && holder.id !== notOf && this.knows(holder) ? holder.id : undefined;
  }

  /** What is awaited of one comes of another one, or of the sender. */
  repoint(from: string, to: string | undefined): void {
    if (!this.isOpen) return;
    // Where the other one has passed them by, it may never have had them.
    const holder = this.#race.holderOf(this.id);
    const can =
      to !== undefined &&
      this.#onItsWay.of(from).every(({ digest }) => holder !== undefined && holder.#known.has(digest));
    const next = can ? to : undefined;
    this.#onItsWay.repoint(from, next);
    void send(this.channel, repointMessage.format({ from, to: next })).catch(() => undefined);
    if (next === undefined) void this.#supply();
  }

  /** Sends what the recipient awaits of no one else. */
  async #supply(): Promise<void> {
    if (this.#isSupplying) return;
    this.#isSupplying = true;
    const { limit, stop, supplied, failed } = this.#options;
    try {
      for (;;) {
        const block = stop.aborted ? undefined : this.#onItsWay.nextOwed();
        if (block === undefined) return;
        const content = block.read();
        await limit?.take(content.length, stop);
        await this.channel.send(supplyMessage.formatHeader({ block: block.digest }), content);
        this.#race.moved(this.id);
        supplied?.(content.length);
      }
    } catch (error) {
      failed(error);
    } finally {
      this.#isSupplying = false;
    }
  }

  /** @param hasAll whether everything was delivered */
  close(hasAll: boolean): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#onItsWay.clear();
    this.#race.leave(this, hasAll);
    this.#stepped();
  }
}
