import type { Offer, OnConflict, ReceiptFile } from '@filer/protocol';
import type { Deliveries } from './deliveries.ts';
import type { Space } from '../disk/free-space.ts';
import type { KnownDigests } from '../digests/known-digests.ts';
import type { OwnershipOptions } from './ownership.ts';
import type { Stage } from './stage.ts';
import type { ReceivePolicy } from './receive-policy.ts';
import type { ReceiverOptions } from './receiver.ts';

/** A file in place, before its receipt is given; `present`: it was there, as the sender's is. */
export interface ReceivedFile extends ReceiptFile {
  readonly job: string;
  /** Absolute. */
  readonly file: string;
  readonly note: string;
}

export interface ReceiveOptions extends ReceiverOptions {
  /** Made if missing. */
  readonly inbox: string;
  /** Where in the inbox, a relative path: as a rule the sender's name; empty for the inbox itself. */
  readonly folder: string | ((offer: Offer) => string);
  /** Shared by all transfers into this inbox. @default one for this transfer alone */
  readonly space?: Space | undefined;
  readonly policy?: ReceivePolicy | undefined;
  /** Whether files are brought to the disk before their receipt. @default true */
  readonly sync?: boolean | undefined;
  /** Digests that are remembered; shared by all transfers. @default none, all are read */
  readonly known?: KnownDigests | undefined;
  /** What this sender delivered into this inbox before. @default nothing: all that is there counts as someone else's */
  readonly deliveries?: Deliveries | undefined;
  /** Whether what this sender delivered under another path is copied and does not travel. @default false */
  readonly copiesMoved?: boolean;
  /**
   * When a job began here, ms since the epoch: what it put in place since, and this receiver was killed before it noted
   * it, is the sender's.
   *
   * @default unknown: what was not noted counts as someone else's
   */
  readonly beganAt?: ((job: string) => number | undefined) | undefined;
  /** Whose files and links may be replaced; `all` where who asked for the files is also whose they are. @default own */
  readonly replaces?: OwnershipOptions['replaces'] | undefined;
  /** What this side says of names that are taken. @default what the offer says */
  readonly onConflict?: OnConflict | undefined;
  /** Whether contents are read to be compared, whatever is remembered of them. @default what the offer says */
  readonly checksum?: boolean | undefined;
  /**
   * Of this receiver and place: in the names of its parts, so that no other receiver uses them, and a caller that knows it can
   * remove what a killed process left.
   *
   * @default none: the inbox is this receiver's alone
   */
  readonly mark?: string | undefined;
  /**
   * Where an offer with `stage` goes; throws a FilerError to refuse it.
   *
   * @default nothing is staged here
   */
  readonly stage?: ((offer: Offer) => Promise<Stage>) | undefined;
  /**
   * Told about what was removed for the sender, by paths relative to the inbox. Awaited before it is signed for.
   */
  readonly removed?: ((paths: readonly string[]) => void | Promise<void>) | undefined;
  /**
   * Notes a file that is in place; awaited before its receipt is given. Told about a file that was there only while its
   * digest is not remembered: what is remembered was noted then.
   */
  readonly record?: ((file: ReceivedFile) => void | Promise<void>) | undefined;
}
