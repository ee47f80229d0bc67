/*
 * What becomes known while a session is open travels on it at once, unasked: `removals` and `leaves` without `re`. A machine
 * passes on only what was new to it, so that news ends where it is known.
 */
import { FilerError } from './errors.ts';
import { encodeFrame } from './frame.ts';
import type { Message } from './header.ts';
import { takeLeaves } from './leave-exchange.ts';
import { MAX_LEAVES_PER_MESSAGE, MAX_QUEUED_BROADCAST_BYTES, MAX_REMOVALS_PER_MESSAGE } from './limits.ts';
import { formatRemovals } from './messages/directory.ts';
import { leavesMessage } from './messages/leave.ts';
import type { Messenger } from './messenger.ts';
import { bringLevel, takeRemovals, type RemovalLedger, type RemovalPosition } from './removal-exchange.ts';
import type { Leave } from './trust/leave.ts';
import type { Removal } from './trust/removals.ts';

/** Sessions whose other side is told what becomes known here. */
export class RemovalNews {
  readonly #sessions = new Set<Messenger>();

  /** Adds one in the turn in which this side has said what it knows, until it ends. */
  add(messenger: Messenger): void {
    this.#sessions.add(messenger);
    void messenger.closed.then(() => this.#sessions.delete(messenger));
  }

  /** Adds one whose other side has said what it knows, once it knows all that is known here. */
  async addBehind(messenger: Messenger, ledger: RemovalLedger, said: RemovalPosition): Promise<void> {
    try {
      await bringLevel(messenger, ledger, said, () => this.add(messenger));
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      messenger.reject(error); // nothing happens to one that is over
    }
  }

  /** @param from who has told this machine, if another one has */
  tellRemovals(removals: readonly Removal[], from?: Messenger): void {
    this.#tell(removals, MAX_REMOVALS_PER_MESSAGE, formatRemovals, from);
  }

  tellLeaves(leaves: readonly Leave[], from?: Messenger): void {
    this.#tell(leaves, MAX_LEAVES_PER_MESSAGE, (some) => leavesMessage.format({ leaves: some }), from);
  }

  /** Does not wait: a session with too much that waits is ended, and levels when it is opened again. */
  #tell<T>(
    news: readonly T[],
    perMessage: number,
    format: (news: readonly T[]) => Message,
    from: Messenger | undefined,
  ): void {
    if (this.#sessions.size === 0) return;
    for (let at = 0; at < news.length; at += perMessage) {
      const { header, content } = format(news.slice(at, at + perMessage));
      const frame = encodeFrame(header, content);
      for (const to of [...this.#sessions]) if (to !== from) to.post(frame, MAX_QUEUED_BROADCAST_BYTES);
    }
  }
}

/**
 * Takes in removals that came unasked in a session. What does not hold ends the session: when it is opened again, both lists
 * are levelled from the beginning.
 *
 * @throws FilerError as `take` of the ledger
 */
export function hearRemovals(
  ledger: RemovalLedger,
  removals: readonly Removal[],
  from: Messenger,
): Promise<undefined> {
  return hear(takeRemovals(ledger, removals, from), from);
}

/** The same for leaves. */
export async function hearLeaves(
  { leaves: ledger }: RemovalLedger,
  leaves: readonly Leave[],
  from: Messenger,
): Promise<undefined> {
  return ledger === undefined ? undefined : hear(takeLeaves(ledger, leaves, from), from);
}

async function hear(taken: Promise<void>, from: Messenger): Promise<undefined> {
  try {
    await taken;
  } catch (error) {
    const isUntrue =
      error instanceof FilerError &&
      (error.code === 'signature-invalid' || error.code === 'verification-failed');
    if (isUntrue) from.reject(error);
    throw error;
  }
}
