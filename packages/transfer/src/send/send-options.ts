import type { RemovedBatch, StageWord } from '@filer/protocol';
import type { EntryAnnouncerOptions } from './entry-announcer.ts';
import type { Outcome } from '../wire/outcome.ts';
import type { OutgoingOptions } from './sent-file.ts';
import type { RelayMember } from '../passing/relay-plan.ts';
import type { RelayRace } from '../passing/relay-race.ts';
import type { StallOptions } from '../wire/stall-watchdog.ts';
import type { KeepReceipts } from './receipt-keeping.ts';
import type { SendEvent } from './send-event.ts';
import type { SourceFile } from './source.ts';
import type { WalkOptions } from './walk.ts';

export interface SendOptions extends StallOptions, OutgoingOptions, EntryAnnouncerOptions {
  /** Files, and folders with all that is in them. Gone through twice where the receiver asks how much it is. */
  readonly files: Iterable<SourceFile>;
  /** What inside the folders stays here. */
  readonly ignored?: WalkOptions['ignored'];
  /** Which folders inside are only looked into. */
  readonly onlyEntered?: WalkOptions['onlyEntered'];
  /** What to do with links inside the folders. */
  readonly links?: WalkOptions['links'];
  readonly network: string;
  readonly senderId: string;
  /** Whose receipts count, as TLS proved. */
  readonly receiverId: string;
  /** @default 16 random bytes, base64url */
  readonly job?: string | undefined;
  /** Words for the person at the other end. @default none */
  readonly note?: string | undefined;
  /** Whether the receiver, who fetches, is told what of it stays here. @default false */
  readonly tellsUnsent?: boolean | undefined;
  /** Whether the receiver, who asked for what there is, is told that there is nothing. @default nothing is said then */
  readonly tellsNothing?: boolean | undefined;
  /** Whether the receiver is to remove what it was sent before below these folders, and is no longer here. @default false */
  readonly mirror?: boolean | undefined;
  /** Whether the receiver puts all of it under a hidden name, for a release. @default false */
  readonly stage?: boolean | undefined;
  /** Of a stage: awaited with the receiver's signed word that all of it is there, which is checked already. */
  readonly keepStaged?: ((word: StageWord) => void | Promise<void>) | undefined;
  /** Asked with each page of what may go: whether the folders still prove what is gone. @default they do */
  readonly provesGone?: (() => boolean) | undefined;
  /** Names that the receiver has signed for as removed in an earlier run of the job. @default none */
  readonly removedBefore?: ReadonlySet<string> | undefined;
  /** Awaited before what was removed counts. */
  readonly keepRemoved?: ((batch: RemovedBatch) => void | Promise<void>) | undefined;
  /** Others get the same, and may get it of this recipient, or give it: who it is in the race. @default it gets all from here */
  readonly relay?:
    | {
        readonly race: RelayRace;
        readonly member: RelayMember;
        /** Content comes of others from now on, where there are some. */
        readonly joined?: (() => void) | undefined;
      }
    | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly on?: ((event: SendEvent) => void) | undefined;
  /** The offer was accepted; awaited before anything is sent. */
  readonly accepted?: (() => void | Promise<void>) | undefined;
  /** Awaited before the files of the receipts count as delivered. */
  readonly keep?: KeepReceipts | undefined;
}

export interface SendOutcome extends Outcome {
  readonly job: string;
  /** Content bytes put on the wire. */
  readonly bytesSent: number;
  /** Sizes of all files that could be offered: of those that were found, when it ended early. */
  readonly bytesTotal: number;
}
