import {
  FilerError,
  formatText,
  MAX_BROADCASTS_PER_MINUTE,
  TEXT_VALID_MS,
  verifyText,
  type Broadcasted,
  type SignedText,
} from '@filer/protocol';
import type { Directory } from './directory.ts';
import type { LiveSessions } from './live-sessions.ts';

const MINUTE_MS = 60_000;

/** Ids of texts that are remembered at the most; a receiver remembers for itself, too. */
const MAX_TAKEN = 100_000;

/** Notes what was handed on; must not reject. */
export type OnHanded = (text: SignedText, to: Broadcasted) => Promise<void>;

/** Texts to many: checked, and handed to everyone of the target who is online. */
export class Texts {
  readonly #network: string;
  readonly #directory: Directory;
  readonly #live: LiveSessions;
  readonly #onHanded: OnHanded;
  /** When each sender sent within the last minute, by a clock that does not jump. */
  readonly #sent = new Map<string, number[]>();
  /** Ids of texts that were taken, and when each may be forgotten. In order of arrival. */
  readonly #taken = new Map<string, number>();

  constructor(
    network: string,
    directory: Directory,
    live: LiveSessions,
    onHanded: OnHanded = async () => undefined,
  ) {
    this.#network = network;
    this.#directory = directory;
    this.#live = live;
    this.#onHanded = onHanded;
  }

  /**
   * @param sender as its key proved
   * @throws FilerError `rate-limited`, `signature-invalid`, `refused` for another's text, a replayed or an old
   *   one, `no-such-peer` for an empty group
   */
  async broadcast(sender: string, text: SignedText, now: number): Promise<Broadcasted> {
    this.#countBroadcast(sender, performance.now());
    if (text.from !== sender)
      throw new FilerError('refused', 'a text can only be sent by the machine that signed it');
    verifyText(text, this.#network);
    this.#checkFresh(text, now);
    return this.hand(text);
  }

  /** Hands a text that was checked to everyone of its target but the sender. */
  async hand(text: SignedText): Promise<Broadcasted> {
    if (!text.to.startsWith('@')) {
      throw new FilerError(
        'refused',
        'the server hands on texts to groups only: send it to the machine itself',
      );
    }
    const members = this.#directory.inGroup(text.to).filter(({ membership }) => membership.id !== text.from);
    if (members.length === 0 && text.to !== '@all') {
      throw new FilerError('no-such-peer', `the group ${text.to} has no other machine`);
    }
    const reached = await this.#live.send(
      members.map(({ membership }) => membership.id),
      formatText(text),
    );
    const broadcasted = { reached, offline: members.length - reached };
    await this.#onHanded(text, broadcasted);
    return broadcasted;
  }

  #countBroadcast(sender: string, now: number): void {
    const recent = (this.#sent.get(sender) ?? []).filter((at) => now - at < MINUTE_MS);
    if (recent.length >= MAX_BROADCASTS_PER_MINUTE) {
      const waitSeconds = Math.ceil(((recent[0] ?? now) + MINUTE_MS - now) / 1_000);
      throw new FilerError(
        'rate-limited',
        `the limit is ${MAX_BROADCASTS_PER_MINUTE} broadcasts a minute: try again in ${waitSeconds} s`,
      );
    }
    this.#sent.set(sender, [...recent, now]);
  }

  #checkFresh(text: SignedText, now: number): void {
    if (Math.abs(now - text.time) > TEXT_VALID_MS) {
      throw new FilerError(
        'refused',
        'the text is dated more than a day from now: set the clock of its sender',
      );
    }
    for (const [id, until] of this.#taken) {
      if (until > now && this.#taken.size < MAX_TAKEN) break;
      this.#taken.delete(id);
    }
    if (this.#taken.has(text.id)) throw new FilerError('refused', 'this text was sent before');
    // Its time may lie a day ahead, so it stays valid for up to two.
    this.#taken.set(text.id, now + 2 * TEXT_VALID_MS);
  }
}
