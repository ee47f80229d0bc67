import { carriedMessage, FilerError, heldBlocksMessage, holdMessage, TRANSFER_LIMITS } from '@filer/protocol';
import { lastWord, lossOf, outOfPlace } from '../wire/ending.ts';
import { send } from '../wire/channel.ts';
import type { HolderChannel } from './holder-link.ts';
import type { RelayMember } from './relay-stand.ts';

/** Digests that one may name, of 32 GiB in blocks of 1 MiB: this is what the sender remembers of one. */
const MAX_NAMED = 32_768;

/** How long one may take until it has named what it has, in ms: the late one gets it from the sender meanwhile. */
const ANSWER_MS = 5_000;

export interface EarlierHoldersOptions {
  readonly job: string;
  /** Those that have got all of the job, the ones to ask first before the others. */
  readonly candidates: (late: RelayMember) => readonly RelayMember[];
  /** @throws FilerError why one cannot be asked */
  readonly open: (id: string, signal: AbortSignal) => Promise<HolderChannel>;
}

/** One that takes part from now on. */
export interface EarlierHolder {
  readonly member: RelayMember;
  readonly channel: HolderChannel;
  readonly digests: readonly string[];
  /** Aborted when it is needed no longer. */
  readonly stop: AbortSignal;
}

/** So many take part at a time: each costs a connection. */
const MOST_AT_ONCE = 3;

/** What a holder that was asked takes part with. */
interface Lane {
  heard(): void;
  close(hasAll: boolean): void;
}

/**
 * Recipients whose transfers have ended well: for each that comes late and would get all from the sender, one of them is asked over a
 * connection of its own, and hands on what it has; where it leaves, the next one is. Nothing of it is believed without the sender's digests, as of each holder.
 */
export class EarlierHolders {
  readonly #options: EarlierHoldersOptions;
  /** Those that were asked: they take part, or could not help. */
  readonly #asked = new Set<string>();
  /** By the late ones for which they are asked. */
  readonly #asking = new Map<string, AbortController>();

  constructor(options: EarlierHoldersOptions) {
    this.#options = options;
  }

  /**
   * Asks one after the other.
   *
   * @param isNeeded whether the late one gets all from the sender still
   * @param enter makes one take part
   */
  ask(late: RelayMember, isNeeded: () => boolean, enter: (holder: EarlierHolder) => Lane): void {
    if (this.#asking.has(late.id) || this.#asking.size >= MOST_AT_ONCE) return;
    const asking = new AbortController();
    this.#asking.set(late.id, asking);
    void this.#ask(late, isNeeded, enter, asking.signal).finally(() => {
      if (this.#asking.get(late.id) === asking) this.#asking.delete(late.id);
    });
  }

  /** No one needs them now. */
  end(): void {
    for (const asking of this.#asking.values())
      asking.abort(new FilerError('interrupted', 'no one takes anything from here now'));
    this.#asking.clear();
  }

  async #ask(
    late: RelayMember,
    isNeeded: () => boolean,
    enter: (holder: EarlierHolder) => Lane,
    stop: AbortSignal,
  ): Promise<void> {
    for (const member of this.#options.candidates(late)) {
      if (stop.aborted || !isNeeded()) return;
      if (this.#asked.has(member.id)) continue;
      this.#asked.add(member.id);
      try {
        await this.#converse(member, enter, stop);
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
      }
      // One that was needed no longer may be needed again.
      if (stop.aborted) this.#asked.delete(member.id);
    }
  }

  /** Resolves when it has taken part, to the end of its connection. @throws FilerError why it could not */
  async #converse(
    member: RelayMember,
    enter: (holder: EarlierHolder) => Lane,
    stop: AbortSignal,
  ): Promise<void> {
    const late = AbortSignal.any([stop, AbortSignal.timeout(ANSWER_MS)]);
    const channel = await this.#options.open(member.id, late).catch((error: unknown) => {
      if (late.aborted) throw new FilerError('peer-unreachable', 'it does not answer', { cause: error });
      throw error;
    });
    const close = (): void => void channel.close();
    late.addEventListener('abort', close, { once: true });
    let lane: Lane | undefined;
    try {
      if (late.aborted) return;
      channel.setLimits?.(TRANSFER_LIMITS);
      await send(channel, holdMessage.format({ job: this.#options.job }));
      const digests: string[] = [];
      for await (const message of channel) {
        if (message.header['type'] === 'error') throw lastWord(message.header, channel);
        if (lane !== undefined && carriedMessage.is(message)) lane.heard();
        else if (lane === undefined && heldBlocksMessage.is(message)) {
          const named = heldBlocksMessage.parse(message);
          digests.push(...named.digests);
          if (digests.length > MAX_NAMED) throw outOfPlace('one more block');
          if (!named.complete) continue;
          late.removeEventListener('abort', close);
          stop.addEventListener('abort', close, { once: true });
          if (stop.aborted) return;
          lane = enter({ member: { ...member, hasAll: true }, channel, digests, stop });
        } else throw outOfPlace(message.header['type'] ?? 'a message without a type');
      }
      if (lane === undefined) throw await lossOf(channel);
    } finally {
      lane?.close(false);
      late.removeEventListener('abort', close);
      stop.removeEventListener('abort', close);
      await channel.close();
    }
  }
}
