import { FilerError, type Membership, type Offer } from '@filer/protocol';
import type { Cap } from '@filer/transfer';
import { fillPattern } from '../inbox-pattern.ts';
import type { Member } from '../network/member.ts';
import type { ClientSettings } from '../settings.ts';

/** Transfers of one sender that wait until the program here is told about them. */
const MAX_UNTOLD = 1_000;

/** The same of all senders together: then each may have an equal part. */
const MAX_UNTOLD_IN_ALL = 20_000;

export type OfferSettings = Pick<ClientSettings, 'accept' | 'allowMirror' | 'inboxPattern' | 'onReceived'>;

/** Who may send what, and where it goes. A new rule about an offer stands here. */
export class OfferRules {
  readonly #member: Member;
  readonly #settings: OfferSettings;

  constructor(member: Member, settings: OfferSettings) {
    this.#member = member;
    this.#settings = settings;
  }

  /**
   * Judges an offer, as far as no person has to be asked.
   *
   * @param accepted what a person here has accepted of it
   * @returns what may come of it; undefined for all of it
   * @throws FilerError `declined`, `totals-needed`, `rate-limited`, `no-space`
   */
  judge({ complete }: Offer, { id }: Membership, accepted: () => Cap | undefined): Cap | 'ask' | undefined {
    const { name, room } = this.#member;
    this.#refuseUntold(id);
    room.require(0);
    const { accept } = this.#settings;
    if (accept === 'none')
      throw new FilerError('declined', `${name} takes no files (it was started with --accept none)`);
    if (accept === 'members') return undefined;
    const cap = accepted();
    if (cap !== undefined) return cap;
    if (complete) return 'ask';
    throw new FilerError(
      'totals-needed',
      `at ${name} a person is asked first, who wants to know how many files come: update filer-client here`,
    );
  }

  /** Where a job's files go, relative to the inbox: what began in yesterday's folder continues there. */
  folderOf({ job, note }: Offer, from: Membership): string {
    const { arrivals, clock } = this.#member;
    if (this.#settings.accept === 'none') return from.name; // nothing will lie there
    const arrival = { job, note, beganAt: clock.stamp() };
    return arrivals.folderOf(from, arrival, () => this.folderNow(from));
  }

  /** Where the files of a job that begins now go. */
  folderNow({ name }: Membership): string {
    return fillPattern(this.#settings.inboxPattern, name, new Date());
  }

  /** Whether senders may have removed what they delivered; a text is why they may not. */
  get mirror(): true | string {
    const { allowMirror, accept } = this.#settings;
    if (allowMirror && accept !== 'none') return true;
    return `${this.#member.name} lets no sender remove files (allow-mirror = false): send without --delete`;
  }

  /** The program here may not keep up with what a sender has brought. */
  #refuseUntold(id: string): void {
    if (this.#settings.onReceived === undefined) return;
    const { arrivals, name } = this.#member;
    const theirs = arrivals.untold(id);
    if (theirs < untoldAllowed(arrivals.untoldOfAll())) return;
    throw new FilerError(
      'rate-limited',
      `${theirs} transfers of yours wait until the program that ${name} runs for each was told: try again later`,
    );
  }
}

/** How many transfers of one sender may wait for the program. @param all that wait */
function untoldAllowed({
  transfers,
  senders,
}: {
  readonly transfers: number;
  readonly senders: number;
}): number {
  return transfers < MAX_UNTOLD_IN_ALL ? MAX_UNTOLD : Math.min(MAX_UNTOLD, MAX_UNTOLD_IN_ALL / senders);
}
