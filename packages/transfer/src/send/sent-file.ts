import type { BasisBlockList, EntryFailure, FileEnd, PresentFile, TakenMessages } from '@filer/protocol';
import type { RelayLane } from '../passing/relay-lane.ts';
import type { Channel } from '../wire/channel.ts';
import type { Extent } from '../wire/growing.ts';
import type { Limit } from '../wire/rate-limit.ts';
import type { ListedFile } from './reader.ts';
import type { SendWindow } from './send-window.ts';
import type { SharedReads } from './shared-reads.ts';
import type { Source } from './source.ts';

/** A file on its way, for its sender. */
export interface SentFile {
  readonly entry: number;
  readonly source: Source;
  /** Whether the receiver has something to compare it with. */
  hasBasis?: boolean;
  /** Whether the receiver lost some of it, and takes the file once more. */
  again?: boolean;
  /** How often it did. */
  timesAgain?: number;
  /** What the receiver said last against it. */
  refusal?: Pick<EntryFailure, 'code' | 'message' | 'bytes'>;
  /** Files of the receiver that it may be. */
  files?: readonly PresentFile[];
  /** What it was when it was compared with what the receiver has, and was none of it. */
  listed?: ListedFile;
  /** What the file was like when it went. @see identityOf */
  identity?: string;
  /** What was said when it had gone whole. */
  end?: FileEnd;
  /** How much there was of it when it was looked at last, while it is being written. */
  extent?: Extent;
  /** Bytes of it that count as done. */
  done?: number;
  /** Whether its receipt came, which is being kept. */
  isProved?: boolean;
  /** Whether the receiver said what it wants of it. */
  isAnswered?: boolean;
  /** What is remembered of it, as it was announced. */
  known?: Omit<FileEnd, 'entry'>;
  /** What the receiver's file must be, once one side said that the receiver has it already. */
  there?: Omit<FileEnd, 'entry'>;
}

/** How often a file goes once more because its receiver lost some of it: what it was compared with, and a block. */
const MAX_TIMES_AGAIN = 2;

/** Whether a file may go once more: not while it is on its way already, nor once it was said to be whole. */
export function mayGoAgain(file: SentFile, { again, bytes }: EntryFailure): boolean {
  if (again !== true || file.again === true || file.end !== undefined) return false;
  if (file.hasBasis !== true && bytes === undefined) return false;
  file.timesAgain = (file.timesAgain ?? 0) + 1;
  return file.timesAgain <= MAX_TIMES_AGAIN;
}

export interface OutgoingOptions {
  /** Reads the files, for all recipients of a job together. @default for this recipient alone */
  readonly reads?: SharedReads | undefined;
  /** How fast contents go; shared by all that keep to it together. @default as fast as can be */
  readonly limit?: Limit | undefined;
  /**
   * Whether a file that is written to meanwhile goes up to the size that it had when it was found, as a log does that
   * grows all the time.
   *
   * @default false: it goes again, and fails when it changes again
   */
  readonly snapshot?: boolean | undefined;
}

/** Who follows the files that go out. */
export interface OutgoingOwner {
  started(file: SentFile): void;
  /** More of a file went to the operating system. @returns whether the file is still wanted */
  sent(file: SentFile, bytes: number, fileBytes: number, fileSize: number): boolean;
  /** Waits until a file that is being written has so many bytes, or is complete. @see Growing */
  reach(file: SentFile, bytes: number): Promise<Extent>;
  /** Asks for what the receiver has of the file that is on its way. @param sums whether with rolling sums @see AskBasis */
  basis(entry: number, first: number, count: number, sums: boolean): Promise<BasisBlockList>;
}

export interface OutgoingParts extends OutgoingOptions {
  readonly channel: Channel;
  readonly sendWindow: SendWindow;
  readonly owner: OutgoingOwner;
  /** Which messages the receiver takes, beside those that all do. */
  readonly taken: TakenMessages;
  /** Where content may come of other recipients. @default all goes from here */
  readonly lane: RelayLane | undefined;
  /** Ends the waiting for what the limit lets go. */
  readonly stop: AbortSignal;
}
