import type { Offer, ReceiptFile, StageWord } from '@filer/protocol';
import type { Extras } from './extras.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import type { Incoming } from './incoming.ts';
import type { Asker } from './receive-policy.ts';

/** What was accepted, and the files of it. */
export interface Accepted extends Disposable {
  readonly offer: Offer;
  readonly incoming: Incoming;
  /** What the sender delivered before, where the offer wants that removed. */
  readonly extras?: Pick<Extras, 'list' | 'remove'> | undefined;
  /** Of a stage: all that was announced is in it. @throws FilerError why it cannot be released */
  readonly seal?: (() => Promise<StageWord>) | undefined;
  /** Of a stage: notes files before their receipts are given. */
  readonly note?: ((files: readonly ReceiptFile[]) => void) | undefined;
}

/** Where the files of an offer go. */
export interface Reception {
  /**
   * Judges an offer, and makes all ready for its files.
   *
   * @param asker its signal is aborted when the sender is gone
   * @param owner told the outcome of each file
   * @throws FilerError why the offer is refused
   */
  accept(offer: Offer, asker: Asker, owner: IncomingOwner): Promise<Accepted>;
  /** Notes a file that is in place, before its receipt is given. */
  record?(file: ReceiptFile, offer: Offer): void | Promise<void>;
}
