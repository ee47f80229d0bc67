/*
 * How two machines level their lists of removals, between `hello` and `welcome`:
 *
 *   dialler → accepter   hello           features has `removals`; removals, removalsDigest
 *   accepter → dialler   removals-get    while the accepter lacks some: id, after
 *   dialler → accepter   removals        re
 *   accepter → dialler   removals        while the dialler lacks some: a page each
 *   accepter → dialler   welcome         removals, removalsDigest: now the same on both sides
 *
 * A dialler that was removed or has left gets no welcome. Before the `error` it gets what proves that: one page of
 * removals above the number that it named, and its own leave (`leaves`).
 *
 * So what either side is told after the welcome is judged by the longer list. The other side may be hostile: each entry
 * is signed by the network key and numbers have no gaps, so an exchange is at most as long as the true list; and it ends
 * with the time of the handshake.
 */
import { FilerError } from './errors.ts';
import { giveList, requireListRate } from './fairness/given-lists.ts';
import type { Message } from './header.ts';
import {
  fetchLeaves,
  giveLeaves,
  LeaveLevelling,
  type LeaveLedger,
  type SharedLeaves,
} from './leave-exchange.ts';
import { MAX_REMOVAL_PAGES } from './limits.ts';
import { formatRemovals, parseRemovals, removalsGetMessage, removalsMessage } from './messages/directory.ts';
import { errorOf } from './messages/error.ts';
import { leavesMessage } from './messages/leave.ts';
import type { Hello, Welcome } from './messages/session.ts';
import type { Messenger } from './messenger.ts';
import { takeInTurns } from './take-in-turns.ts';
import type { Removal } from './trust/removals.ts';

/** A machine's own list of removals. */
export interface RemovalLedger {
  /** Who has left by its own wish. @default not levelled */
  readonly leaves?: LeaveLedger;
  /** The highest number, 0 for an empty list. */
  readonly number: number;
  /** Whether a machine was removed. */
  has(id: string): boolean;
  /** Digest of the entries up to a number. */
  digestAt(number: number): string;
  /** Entries with a higher number, at most a message full. */
  page(after: number): readonly Removal[];
  /**
   * Merges what another machine knows, and acts on what is new.
   *
   * @param from who says so, on a connection that is open
   * @throws FilerError `signature-invalid`, `verification-failed`, of the store; what came before the entry is kept
   */
  take(removals: readonly Removal[], from?: Messenger): void | Promise<void>;
}

/** The word in `features` of a dialler and an accepter that do this; earlier versions do not. */
export const LEVELS_REMOVALS = 'removals';

/** How often an accepter may begin again with a lower number: its list may grow while it is given. */
const MAX_PASSES = 8;

/** Signatures that are checked before others have a turn: they take about 2 ms. */
const REMOVALS_PER_TURN = 20;

/** What a machine says of its lists in `hello` and `welcome`. */
export type RemovalPosition = Pick<Hello, 'removals' | 'removalsDigest' | 'leavesDigest'>;

export function removalPosition(
  ledger: RemovalLedger,
): RemovalPosition & { readonly removalsDigest: string } {
  const { number, leaves } = ledger;
  const position = { removals: number, removalsDigest: ledger.digestAt(number) };
  return leaves === undefined ? position : { ...position, leavesDigest: leaves.digest };
}

/** Whether all that the other side knows is known here, as far as that can be told. */
function covers(ledger: RemovalLedger, { removals, removalsDigest }: RemovalPosition): boolean {
  if (removals > ledger.number) return false;
  return removalsDigest === undefined || removalsDigest === ledger.digestAt(removals);
}

/**
 * The accepter's part, before its `welcome`. The caller has checked that the dialler is a member, and checks again that
 * it was not removed.
 *
 * @throws FilerError `signature-invalid`, `verification-failed`, `unexpected-message`, `connection-closed`, of the store
 */
export async function levelRemovals(
  messenger: Messenger,
  ledger: RemovalLedger,
  hello: Hello,
): Promise<void> {
  if (!hello.features.includes(LEVELS_REMOVALS)) return;
  if (!covers(ledger, hello)) await fetchRemovals(messenger, ledger, hello);
  const shared = ledger.leaves && (await fetchLeaves(messenger, ledger.leaves, hello));
  await bringLevel(messenger, ledger, hello, undefined, shared);
}

/**
 * Gives the other side of a connection what is known here and not there; the list may grow meanwhile.
 *
 * @param said what it has said that it knows
 * @param level called in the turn in which nothing is missing
 * @param shared leaves that are known on both sides
 * @throws FilerError `connection-closed`, `rate-limited`
 */
export async function bringLevel(
  messenger: Messenger,
  ledger: RemovalLedger,
  said: RemovalPosition,
  level: () => void = () => undefined,
  shared: SharedLeaves = new Map(),
): Promise<void> {
  for (let given = said; ;) {
    const now = removalPosition(ledger);
    const { removalsDigest = now.removalsDigest, leavesDigest = now.leavesDigest } = given;
    const lacksRemovals = given.removals < now.removals || removalsDigest !== now.removalsDigest;
    const lacksLeaves = leavesDigest !== now.leavesDigest;
    if (!lacksRemovals && !lacksLeaves) {
      level();
      return;
    }
    requireListRate(messenger);
    if (lacksRemovals) await giveRemovals(messenger, ledger, covers(ledger, given) ? given.removals : 0);
    if (lacksLeaves && ledger.leaves !== undefined) await giveLeaves(messenger, ledger.leaves, shared);
    given = now;
  }
}

/**
 * Gives a dialler that was removed or has left what proves it to itself: nothing else makes a machine give up. Any other
 * key gets nothing. One page at the most, since it may be hostile and come often: one that lacks more has them after some tries.
 *
 * @param id proved by its connection
 * @throws FilerError `connection-closed`
 */
export async function giveProofOfEnd(
  messenger: Messenger,
  ledger: RemovalLedger,
  { features, removals }: Hello,
  id: string,
): Promise<void> {
  if (!features.includes(LEVELS_REMOVALS)) return;
  if (ledger.has(id) && removals < ledger.number) {
    const page = ledger.page(removals);
    // What was removed after it is none of its business.
    const own = page.findIndex((removal) => removal.id === id);
    const { header, content } = formatRemovals(own < 0 ? page : page.slice(0, own + 1));
    await messenger.send(header, content);
  }
  const leave = ledger.leaves?.of(id);
  if (leave === undefined) return;
  const { header, content } = leavesMessage.format({ leaves: [leave] });
  await messenger.send(header, content);
}

async function giveRemovals(messenger: Messenger, ledger: RemovalLedger, from: number): Promise<void> {
  for (let after = from; after < ledger.number;) {
    const page = ledger.page(after);
    await giveList(messenger, formatRemovals(page));
    after = page.at(-1)?.number ?? ledger.number;
  }
}

async function fetchRemovals(
  messenger: Messenger,
  ledger: RemovalLedger,
  theirs: RemovalPosition,
): Promise<void> {
  let pages = 0;
  // What is new as a rule; and all of it, when the lists are not the same before that.
  for (const from of [ledger.number, 0]) {
    for (let after = from; after < theirs.removals;) {
      if (++pages > MAX_REMOVAL_PAGES) throw tooMany();
      const page = await ask(messenger, after, String(pages));
      const last = page.at(-1)?.number ?? 0;
      if (last <= after) {
        throw new FilerError(
          'verification-failed',
          `the other side says that it knows ${theirs.removals} removals, and gave ${after}`,
        );
      }
      await takeRemovals(ledger, page, messenger);
      after = last;
    }
    if (covers(ledger, theirs)) return;
  }
}

async function ask(messenger: Messenger, after: number, id: string): Promise<Removal[]> {
  await messenger.send({ type: 'removals-get', id, after: String(after) });
  const next = await messenger[Symbol.asyncIterator]().next();
  if (next.done === true) {
    throw (
      (await messenger.closed) ??
      new FilerError('connection-closed', `${messenger.who} closed the connection before its removals came`)
    );
  }
  if (next.value.header['type'] === 'error') throw errorOf(next.value.header, messenger.who);
  return parseRemovals(next.value);
}

/** The dialler's part, until the accepter says something else. */
export class RemovalLevelling {
  readonly #messenger: Messenger;
  readonly #ledger: RemovalLedger;
  readonly #leaves: LeaveLevelling | undefined;
  #asked = 0;
  #passes = 1;
  #last = 0;

  constructor(messenger: Messenger, ledger: RemovalLedger) {
    this.#messenger = messenger;
    this.#ledger = ledger;
    this.#leaves = ledger.leaves && new LeaveLevelling(messenger, ledger.leaves);
  }

  /** @returns whether the message belongs to it; then it was handled @throws FilerError as `levelRemovals` */
  async handle(message: Message): Promise<boolean> {
    if (removalsMessage.is(message)) await this.#take(parseRemovals(message));
    else if (!removalsGetMessage.is(message)) return (await this.#leaves?.handle(message)) ?? false;
    else {
      if (++this.#asked > MAX_REMOVAL_PAGES) throw tooMany();
      const { after } = removalsGetMessage.parse(message);
      const { header, content } = formatRemovals(this.#ledger.page(after));
      const { id } = message.header;
      await this.#messenger.send({ ...header, ...(id === undefined ? {} : { re: id }) }, content);
    }
    return true;
  }

  async #take(page: readonly Removal[]): Promise<void> {
    const last = page.at(-1)?.number ?? 0;
    if (last <= this.#last && ++this.#passes > MAX_PASSES) throw tooMany();
    this.#last = last;
    await takeRemovals(this.#ledger, page, this.#messenger);
  }

  /** @throws FilerError `verification-failed` for an accepter that levels lists, knows more and did not tell */
  requireLevel({ features, removals }: Welcome): void {
    if (!features.includes(LEVELS_REMOVALS) || removals <= this.#ledger.number) return;
    throw new FilerError(
      'verification-failed',
      `the other side says that it knows ${removals} removals, and gave ${this.#ledger.number}`,
    );
  }
}

/** Merges what another machine gives, in its turns. @throws FilerError as `take` of the ledger */
export function takeRemovals(
  ledger: RemovalLedger,
  removals: readonly Removal[],
  from: Messenger,
): Promise<void> {
  return takeInTurns(removals, REMOVALS_PER_TURN, from, (some) => ledger.take(some, from));
}

function tooMany(): FilerError {
  return new FilerError('verification-failed', 'the other side exchanges removals without an end');
}
