/*
 * How two machines level who has left, after the removals and before the `welcome`: where their digests differ, the
 * accepter asks for all that the dialler knows (`leaves-get`, `leaves`), then gives what the dialler lacks (`leaves`).
 */
import { FilerError } from './errors.ts';
import { giveList } from './fairness/given-lists.ts';
import type { Message } from './header.ts';
import { MAX_REMOVAL_PAGES } from './limits.ts';
import { errorOf } from './messages/error.ts';
import { leavesGetMessage, leavesMessage } from './messages/leave.ts';
import type { Hello } from './messages/session.ts';
import type { Messenger } from './messenger.ts';
import { takeInTurns } from './take-in-turns.ts';
import type { Leave } from './trust/leave.ts';

/** A machine's own list of those who have left. */
export interface LeaveLedger {
  readonly digest: string;
  /** The leave of a machine. */
  of(id: string): Leave | undefined;
  /** A message full of those whose ids come later, in order of id. @param after '' for the first */
  page(after: string): readonly Leave[];
  /**
   * Merges what another machine knows, and acts on what is new.
   *
   * @param from who says so, on a connection that is open
   * @throws FilerError `signature-invalid`, of the store
   */
  take(leaves: readonly Leave[], from?: Messenger): void | Promise<void>;
}

/** Five signatures of each are checked before others have a turn: that takes about 3 ms. */
const LEAVES_PER_TURN = 5;

/** How often an accepter may begin again with a lower id: its list may grow while it is given. */
const MAX_PASSES = 8;

const lastOf = (page: readonly Leave[]): string => page.at(-1)?.membership.id ?? '';

/** By the machine, the leave that both sides of a connection have. */
export type SharedLeaves = Map<string, string>;

const versionOf = ({ membership: { admittedAt, serial } }: Leave): string => `${admittedAt} ${serial}`;

/**
 * The accepter's question, before it gives what it knows.
 *
 * @returns what the dialler has
 * @throws FilerError `signature-invalid`, `verification-failed`, `unexpected-message`, `connection-closed`, of the store
 */
export async function fetchLeaves(
  messenger: Messenger,
  ledger: LeaveLedger,
  { leavesDigest: theirs }: Hello,
): Promise<SharedLeaves> {
  const shared: SharedLeaves = new Map();
  if (theirs === undefined || theirs === ledger.digest) return shared;
  let pages = 0;
  for (let after = '', more = true; more;) {
    const page = await ask(messenger, after, String(++pages));
    const last = lastOf(page);
    more = page.length > 0;
    if (more && last <= after) throw endless();
    if (pages > MAX_REMOVAL_PAGES) throw endless();
    await takeLeaves(ledger, page, messenger);
    for (const leave of page) shared.set(leave.membership.id, versionOf(leave));
    after = last;
  }
  return shared;
}

/** Gives what is known here and not shared yet. @throws FilerError `connection-closed` */
export async function giveLeaves(
  messenger: Messenger,
  ledger: LeaveLedger,
  shared: SharedLeaves,
): Promise<void> {
  for (let page = ledger.page(''); page.length > 0; page = ledger.page(lastOf(page))) {
    const leaves = page.filter((leave) => shared.get(leave.membership.id) !== versionOf(leave));
    if (leaves.length > 0) await giveList(messenger, leavesMessage.format({ leaves }));
    for (const leave of leaves) shared.set(leave.membership.id, versionOf(leave));
  }
}

/** Merges what another machine gives, in its turns. @throws FilerError as `take` of the ledger */
export function takeLeaves(ledger: LeaveLedger, leaves: readonly Leave[], from: Messenger): Promise<void> {
  return takeInTurns(leaves, LEAVES_PER_TURN, from, (some) => ledger.take(some, from));
}

async function ask(messenger: Messenger, after: string, id: string): Promise<readonly Leave[]> {
  await messenger.send({ ...leavesGetMessage.format({ after }).header, id });
  const next = await messenger[Symbol.asyncIterator]().next();
  if (next.done === true) {
    const closed = `${messenger.who} closed the connection before it said who has left`;
    throw (await messenger.closed) ?? new FilerError('connection-closed', closed);
  }
  if (next.value.header['type'] === 'error') throw errorOf(next.value.header, messenger.who);
  return leavesMessage.parse(next.value).leaves;
}

/** The dialler's part, until the accepter says something else. */
export class LeaveLevelling {
  readonly #messenger: Messenger;
  readonly #ledger: LeaveLedger;
  #asked = 0;
  #passes = 1;
  #last = '';

  constructor(messenger: Messenger, ledger: LeaveLedger) {
    this.#messenger = messenger;
    this.#ledger = ledger;
  }

  /** @returns whether the message belongs to it; then it was handled @throws FilerError as `levelLeaves` */
  async handle(message: Message): Promise<boolean> {
    if (leavesMessage.is(message)) {
      const { leaves } = leavesMessage.parse(message);
      const last = lastOf(leaves);
      if (last <= this.#last && ++this.#passes > MAX_PASSES) throw endless();
      this.#last = last;
      await takeLeaves(this.#ledger, leaves, this.#messenger);
      return true;
    }
    if (!leavesGetMessage.is(message)) return false;
    if (++this.#asked > MAX_REMOVAL_PAGES) throw endless();
    const { after } = leavesGetMessage.parse(message);
    const { header, content } = leavesMessage.format({ leaves: this.#ledger.page(after) });
    const { id } = message.header;
    await this.#messenger.send({ ...header, ...(id === undefined ? {} : { re: id }) }, content);
    return true;
  }
}

function endless(): FilerError {
  return new FilerError('verification-failed', 'the other side says without an end who has left');
}
