import { randomBytes } from 'node:crypto';
import { holderMessage, passOnMessage, PASS_ON_FROM_BYTES } from '@filer/protocol';
import { send } from '../wire/channel.ts';
import type { EarlierHolders } from './earlier-holders.ts';
import { KnownRates } from './known-rates.ts';
import { RelayLane, type LaneOptions, type Race } from './relay-lane.ts';
import { LOOK_EVERY_MS, RelayPlan, type Move, type RelayMember } from './relay-plan.ts';

/** What one recipient got of another. */
export interface Via {
  readonly peer: string;
  readonly bytes: number;
}

/** A job's content on its way to many at the cost of one: its recipients, each on a lane of its own. */
export class RelayRace implements Race, Disposable {
  readonly #plan: RelayPlan;
  readonly #fromBytes: number;
  readonly #rates: KnownRates;
  readonly #earlier: EarlierHolders | undefined;
  /** Those that wait until it is known that the job is large enough. */
  readonly #early: RelayMember[] = [];
  #isOn = false;
  /** Those that take part now, and those that have all, by their ids. */
  readonly #lanes = new Map<string, RelayLane>();
  readonly #via = new Map<string, Map<string, number>>();
  remembering = 1;
  #looking: NodeJS.Timeout | undefined;

  /**
   * @param fromBytes what less than this holds goes to each from the sender
   * @param rates what is known of earlier jobs @default nothing
   * @param recipients of the job, as far as they are known before they come
   * @param earlier those that have all of it already @default they are not asked
   */
  constructor(
    fromBytes = PASS_ON_FROM_BYTES,
    rates = new KnownRates(),
    recipients: readonly string[] = [],
    earlier?: EarlierHolders,
  ) {
    this.#earlier = earlier;
    this.#plan = new RelayPlan(recipients.flatMap((id) => rates.of(id) ?? []));
    this.#fromBytes = fromBytes;
    this.#rates = rates;
  }

  /** Whether a recipient got anything of another one. */
  get isPassedOn(): boolean {
    return [...this.#lanes.keys(), ...this.#via.keys()].some((id) => this.bytesOf(id) > 0);
  }

  /** So much of the job was found by now. */
  found(bytes: number): void {
    this.#plan.found(bytes);
    if (this.#isOn || bytes < this.#fromBytes) return;
    this.#isOn = true;
    for (const member of this.#early.splice(0)) this.#join(member);
  }

  #join(member: RelayMember): void {
    const lane = this.#lanes.get(member.id);
    if (lane?.isOpen !== true) return;
    if (member.passes) lane.joined();
    const rate = this.#rates.of(member.id);
    this.#apply(this.#plan.join({ ...member, rate }, performance.now()));
    if (lane.isRecipient) this.#askEarlier(member);
  }

  /** One that would get all from the sender gets it of those that are done. */
  #askEarlier(late: RelayMember): void {
    const isNeeded = (): boolean =>
      this.#lanes.get(late.id)?.isOpen === true && this.#plan.holderOf(late.id) === undefined;
    if (!late.passes || !isNeeded()) return;
    this.#earlier?.ask(late, isNeeded, ({ member, channel, digests: has, stop }) =>
      this.enter(member, { channel, limit: undefined, stop, failed: () => undefined, has }),
    );
  }

  /** A recipient has accepted the offer. Dispose of its lane when its connection ends. */
  enter(member: RelayMember, options: Omit<LaneOptions, 'race' | 'id'>): RelayLane {
    const lane = new RelayLane({ ...options, race: this, id: member.id });
    this.#lanes.set(member.id, lane);
    if (this.#isOn) this.#join(member);
    else this.#early.push(member);
    this.#count();
    this.#looking ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    return lane;
  }

  /** A recipient's connection has ended. @param hasAll whether everything of it was delivered */
  leave(lane: RelayLane, hasAll: boolean): void {
    this.#note(lane);
    this.#rates.note(lane.id, this.#plan.rateOf(lane.id));
    if (this.#lanes.get(lane.id) !== lane) return;
    if (hasAll) {
      this.#plan.done(lane.id);
    } else {
      this.#lanes.delete(lane.id);
      this.#apply(this.#plan.leave(lane.id, performance.now()));
    }
    this.#count();
  }

  /** Those that have all, and give to none, need no memory. */
  #count(): void {
    const lanes = [...this.#lanes.values()];
    const holders = new Set(lanes.filter(({ isOpen }) => isOpen).map(({ id }) => this.#plan.holderOf(id)));
    for (const lane of lanes) if (!lane.isOpen && !holders.has(lane.id)) lane.forget();
    this.remembering = Math.max(1, lanes.filter(({ remembers }) => remembers).length);
    if (!lanes.some(({ isOpen, isRecipient }) => isOpen && isRecipient)) this.#earlier?.end();
  }

  /** The lane of who a recipient is to take from; undefined for the sender. */
  holderOf(id: string): RelayLane | undefined {
    const holder = this.#plan.holderOf(id);
    return holder === undefined ? undefined : this.#lanes.get(holder);
  }

  /** Whether a recipient that passes on gets content of the sender while another one does, too, or gets it of others. */
  sharesUplink(id: string): boolean {
    if (!this.#isOn || this.#lanes.get(id)?.isOpen !== true) return false;
    if (this.#plan.holderOf(id) !== undefined) return true;
    return [...this.#lanes.values()].some(
      (lane) =>
        lane.id !== id && lane.isOpen && lane.isRecipient && this.#plan.holderOf(lane.id) === undefined,
    );
  }

  heard(id: string): void {
    this.#plan.heard(id, performance.now());
  }

  moved(id: string, isBlock = false): void {
    this.#plan.moved(id, performance.now(), isBlock);
  }

  progressed(id: string, bytes: number): void {
    this.#plan.progressed(id, bytes, performance.now());
  }

  failed(id: string, holder: string): void {
    this.#apply(this.#plan.failed(id, holder, performance.now()));
  }

  passedBy(id: string, holder: string): void {
    this.#apply(this.#plan.passedBy(id, holder, performance.now()));
  }

  /** What a recipient has of others, over all its connections, the most first. */
  via(id: string): Via[] {
    const sums = new Map(this.#via.get(id));
    const lane = this.#lanes.get(id);
    if (lane?.isOpen === true) addAll(sums, lane.carriedBy);
    return [...sums]
      .map(([peer, bytes]) => ({ peer, bytes }))
      .filter(({ bytes }) => bytes > 0)
      .toSorted((a, b) => b.bytes - a.bytes);
  }

  /** The sum of that. */
  bytesOf(id: string): number {
    return this.via(id).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  #note({ id, carriedBy }: RelayLane): void {
    const sums = this.#via.get(id) ?? new Map<string, number>();
    addAll(sums, carriedBy);
    this.#via.set(id, sums);
  }

  #look(): void {
    for (const lane of this.#lanes.values()) {
      const { bytes, isAll } = lane.there();
      this.#plan.awaits(lane.id, bytes, isAll);
    }
    this.#apply(this.#plan.tick(performance.now()));
  }

  #apply(moves: readonly Move[]): void {
    for (const { id, from, to } of moves) {
      const lane = this.#lanes.get(id);
      if (lane === undefined) continue;
      const holder = to === undefined ? undefined : this.#lanes.get(to);
      const named = holder !== undefined && this.#introduce(lane, holder) ? holder : undefined;
      if (from !== undefined) lane.repoint(from, named?.id);
      lane.wake();
    }
  }

  /** Tells two recipients of each other. @returns whether they know of each other now */
  #introduce(lane: RelayLane, holder: RelayLane): boolean {
    if (lane.knows(holder)) return true;
    if (!lane.meet(holder)) return false;
    const now = performance.now();
    for (const { id } of [lane, holder]) this.#plan.expect(id, now);
    const token = randomBytes(32).toString('base64url');
    void send(holder.channel, passOnMessage.format({ peer: lane.id, token })).catch(() => undefined);
    void send(lane.channel, holderMessage.format({ peer: holder.id, token })).catch(() => undefined);
    return true;
  }

  [Symbol.dispose](): void {
    this.#earlier?.end();
    clearInterval(this.#looking);
    this.#looking = undefined;
    for (const lane of this.#lanes.values()) lane.wake();
  }
}

function addAll(sums: Map<string, number>, more: ReadonlyMap<string, number>): void {
  for (const [peer, bytes] of more) sums.set(peer, (sums.get(peer) ?? 0) + bytes);
}
