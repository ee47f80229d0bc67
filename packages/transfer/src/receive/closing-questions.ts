import {
  FilerError,
  formatExtrasAnswer,
  formatRemoved,
  formatSealed,
  type ExtrasAsked,
  type KeyPair,
  type Message,
  type RemoveAsked,
} from '@filer/protocol';
import { signRemoved } from '../receipts/removed.ts';
import type { EarlyEnd } from '../wire/early-end.ts';
import { outOfPlace } from '../wire/ending.ts';
import type { StallWatchdog } from '../wire/stall-watchdog.ts';
import type { IncomingResults } from './incoming-results.ts';
import type { IncomingTotals } from './incoming-totals.ts';
import type { Accepted } from './reception.ts';

export interface ClosingParts {
  readonly network: string;
  readonly senderId: string;
  /** Who signs for what was removed. */
  readonly keyPair: KeyPair;
  readonly accepted: Accepted;
  readonly totals: IncomingTotals;
  readonly results: IncomingResults;
  readonly watchdog: StallWatchdog;
  readonly end: EarlyEnd;
}

/** What a sender asks once it has announced all: what it no longer has, its removal, and the word for a stage. */
export class ClosingQuestions {
  readonly #parts: ClosingParts;

  constructor(parts: ClosingParts) {
    this.#parts = parts;
  }

  /** @returns the answer @throws FilerError `unexpected-message`, and why it cannot be listed */
  async extras(id: string, asked: ExtrasAsked): Promise<Message> {
    const extras = this.#extras;
    await this.settle();
    const page = await this.#parts.watchdog.work(extras.list(asked));
    return formatExtrasAnswer({ re: id, ...page });
  }

  /** @returns the answer, with a signature for what was removed @throws FilerError `unexpected-message`, and why nothing is removed */
  async remove(id: string, { names, dryRun }: RemoveAsked): Promise<Message> {
    const { network, senderId: sender, keyPair, accepted, watchdog } = this.#parts;
    const { removed: files, kept } = await watchdog.work(this.#extras.remove(names, dryRun));
    const claims = { network, job: accepted.offer.job, sender, time: Date.now(), files };
    const removed = files.length === 0 ? null : signRemoved(claims, keyPair);
    return formatRemoved({ re: id, removed, kept });
  }

  /** The word is given for a whole: where something failed, the sender tries again. @returns the answer @throws FilerError why there is none */
  async seal(id: string): Promise<Message> {
    const { accepted, totals, results, watchdog, end } = this.#parts;
    if (accepted.seal === undefined || !totals.isComplete) throw outOfPlace('seal');
    await this.settle();
    if (end.reason !== undefined) throw end.reason;
    if (!results.outcome(undefined).ok)
      throw new FilerError('partial', 'not all of it arrived: send it again');
    return formatSealed({ re: id, word: await watchdog.work(accepted.seal()) });
  }

  /** All that was announced is in place or has failed, and the sender was told. */
  async settle(): Promise<void> {
    const { accepted, results, watchdog } = this.#parts;
    await watchdog.work(accepted.incoming.finish());
    results.flush();
  }

  get #extras(): NonNullable<Accepted['extras']> {
    const { accepted, totals } = this.#parts;
    if (accepted.extras === undefined || !totals.isComplete) throw outOfPlace('what is to be removed');
    return accepted.extras;
  }
}
