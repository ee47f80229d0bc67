import { randomUUID } from 'node:crypto';
import { addAbortListener } from 'node:events';
import { FilerError, type Membership, type Offer } from '@filer/protocol';
import type { Asker, Cap } from '@filer/transfer';
import type { AskedOffer, OfferState } from '../store/offer-store.ts';
import type { Member } from '../network/member.ts';

/** Offers that may wait for an answer, of one peer and in all: each holds a connection. */
const MAX_WAITING_PER_PEER = 16;
const MAX_WAITING = 256;

/** An offer and what was answered to it are remembered for so long, in ms. */
const KEPT_MS = 30 * 24 * 3_600_000;

/** More names than an offer shows could follow: then they are no part of what was shown. */
const MAX_CAPPED_NAMES = 99;

const OPEN: readonly OfferState[] = ['waiting', 'lost'];

/** What a person says to offers. */
export interface Verdict {
  readonly accept: boolean;
  /** For the sender, when they are declined. */
  readonly reason: string;
}

/** Which offers a person means. */
export interface Selection {
  /** Ids, or beginnings of them that fit no other. */
  readonly ids: readonly string[];
  /** All that wait. */
  readonly all: boolean;
  /** Of this sender only. */
  readonly from: string | undefined;
}

/** Asks the person at this machine about offers, and remembers the answers. */
export class AskedOffers {
  readonly #member: Member;
  readonly #onChange: (offer: AskedOffer) => void;
  /** Those whose senders wait, by the id of the offer. */
  readonly #waiting = new Map<string, PromiseWithResolvers<void>[]>();

  /** Call it before anything is asked, and hold the home's lock. */
  constructor(member: Member, onChange: (offer: AskedOffer) => void) {
    this.#member = member;
    this.#onChange = onChange;
    member.offers.loseWaiting();
    member.offers.forgetBefore(member.clock.now() - KEPT_MS);
  }

  /**
   * What of a job was accepted before and did not come yet: resuming does not ask again.
   *
   * @throws FilerError `declined` when it was
   */
  accepted(from: string, { job, mirror = false }: Pick<Offer, 'job' | 'mirror'>): Cap | undefined {
    const offer = this.#member.offers.find(from, job);
    if (offer?.state === 'declined') throw declined(this.#member.name, offer.reason);
    // Who accepted files was not asked whether some may be removed.
    return offer?.state === 'accepted' && (offer.mirror || !mirror) ? this.#capOf(offer) : undefined;
  }

  /**
   * Shows an offer to the person here, and waits for the answer.
   *
   * @param about where it would go, absolute, and what will be refused of it
   * @throws FilerError `declined`, `rate-limited` when too many wait, `connection-closed` when the sender is gone
   */
  async ask(
    offer: Offer,
    from: Membership,
    { folder, refusals }: Pick<AskedOffer, 'folder' | 'refusals'>,
    { signal, asked }: Asker,
  ): Promise<Cap> {
    this.#refuseTooMany(from.id);
    const { job, names, contents = [], files, bytes, note, mirror = false } = offer;
    const { offers } = this.#member;
    const known = offers.find(from.id, job);
    const id = known?.id ?? randomUUID();
    const item = {
      id,
      job,
      from: from.id,
      fromName: from.name,
      folder,
      names,
      contents,
      files,
      bytes,
      note,
      mirror,
      refusals,
    };
    const waiting = { ...item, offeredAt: this.#member.clock.stamp(), state: 'waiting', reason: '' } as const;
    offers.put(waiting);
    asked();
    this.#onChange(waiting);
    const place = Promise.withResolvers<void>();
    using _listener = addAbortListener(signal, () =>
      place.reject(new FilerError('connection-closed', 'the sender is gone')),
    );
    this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), place]);
    try {
      await place.promise;
    } finally {
      const others = (this.#waiting.get(id) ?? []).filter((each) => each !== place);
      if (others.length > 0) this.#waiting.set(id, others);
      else this.#waiting.delete(id);
    }
    return this.#capOf(waiting);
  }

  /** The connection of a sender that waited has ended. */
  left(from: string, job: string, withdrawn: boolean): void {
    const offer = this.#member.offers.find(from, job);
    if (offer === undefined || this.#waiting.has(offer.id)) return;
    const state = withdrawn ? 'withdrawn' : 'lost';
    if (this.#member.offers.change(offer.id, ['waiting'], state)) this.#onChange({ ...offer, state });
  }

  /**
   * Answers offers: those whose senders are there continue at once, the others when their senders come again.
   *
   * @returns them, as they were
   * @throws FilerError `usage`, `no-such-offer`
   */
  answer(selection: Selection, { accept, reason }: Verdict): AskedOffer[] {
    const state = accept ? 'accepted' : 'declined';
    return this.#select(selection, accept).map((offer) => {
      this.#member.offers.change(offer.id, [offer.state], state, reason);
      for (const { resolve, reject } of this.#waiting.get(offer.id) ?? []) {
        if (accept) resolve();
        else reject(declined(this.#member.name, reason));
      }
      this.#onChange({ ...offer, state, reason });
      return offer;
    });
  }

  #select({ ids, all, from }: Selection, accept: boolean): AskedOffer[] {
    const offers = this.#member.offers.all();
    const open = offers.filter(({ state }) => OPEN.includes(state));
    if (all || from !== undefined) {
      const meant = open.filter(({ fromName }) => from === undefined || fromName === from);
      if (meant.length > 0) return meant;
      const whose = from === undefined ? '' : ` of ${from}`;
      throw new FilerError('no-such-offer', `no offer${whose} waits: \`filer-client inbox\` lists offers`);
    }
    // Who declined may think again.
    const answerable: readonly OfferState[] = accept ? [...OPEN, 'declined'] : OPEN;
    return [...new Set(ids.map((id) => oneOf(offers, id, answerable)))];
  }

  #refuseTooMany(from: string): void {
    const waiting = this.#member.offers.all().filter(({ id }) => this.#waiting.has(id));
    const theirs = waiting.filter((offer) => offer.from === from).length;
    if (waiting.length < MAX_WAITING && theirs < MAX_WAITING_PER_PEER) return;
    throw new FilerError(
      'rate-limited',
      `${waiting.length} offers wait for an answer at ${this.#member.name} already (${theirs} of yours): try again when some are answered`,
    );
  }

  #capOf({ from, job, files, bytes, names, offeredAt }: AskedOffer): Cap {
    const came = this.#member.inbox.deliveredOf(from, job, offeredAt);
    const tops = names.map((name) => name.split('/')[0] ?? '');
    return {
      files: Math.max(0, files - came.files),
      bytes: Math.max(0, bytes - came.bytes),
      names: tops.length > MAX_CAPPED_NAMES ? undefined : new Set(tops),
    };
  }
}

function oneOf(offers: readonly AskedOffer[], id: string, answerable: readonly OfferState[]): AskedOffer {
  const found = offers.filter((offer) => offer.id.startsWith(id));
  const [first, second] = found;
  if (first === undefined) {
    throw new FilerError('no-such-offer', `no offer is called ${id}: \`filer-client inbox\` lists them`);
  }
  if (second !== undefined && first.id !== id) {
    const ids = found.map((offer) => offer.id.slice(0, id.length + 4)).join(', ');
    throw new FilerError('usage', `${id} is the beginning of several offers: ${ids}; type more of one`);
  }
  if (!answerable.includes(first.state)) {
    const what = first.state === 'withdrawn' ? `was withdrawn by ${first.fromName}` : `was ${first.state}`;
    throw new FilerError('no-such-offer', `the offer ${id} ${what}: it cannot be answered any more`);
  }
  return first;
}

function declined(name: string, reason: string): FilerError {
  return new FilerError('declined', reason === '' ? `${name} declined` : `${name} declined: ${reason}`);
}
