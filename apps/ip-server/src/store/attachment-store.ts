import type { Attachment, ReportKey } from '@filer/protocol';

/** Names the report that files belong to. */
export interface UploadKey extends ReportKey {
  /** Id of the machine that made it. */
  readonly peer: string;
}

/** Files that came for one report. */
export interface Upload extends UploadKey {
  readonly number: number;
  readonly bytes: number;
  /** How many, and their folder. */
  readonly files: number;
  /** Which server has them on its disk, or `SHARED`; undefined for an engine that serves one. */
  readonly server?: string | undefined;
  /** `open` until the report itself is stored; `gone` when the files are to be removed. */
  readonly state: 'open' | 'reported' | 'gone';
}

/** What files take: bytes of the disk, and its inodes, one for each file and for the folder of each report. */
export const MEASURES = ['bytes', 'files'] as const;
export type Measure = (typeof MEASURES)[number];

/**
 * Which files came for which report; the files themselves are in a folder. Where several servers share a store, amounts and lists are
 * of what this one has taken: the disks of the others are not its own.
 */
export interface AttachmentStore {
  /** What all files take. */
  amount(measure: Measure): Promise<number>;
  /** Whether a report of that key is stored, or was: a machine that sends it again needs no files for it. */
  hasReport(key: UploadKey): Promise<boolean>;
  find(key: UploadKey): Promise<Upload | undefined>;
  /** The files by their names. */
  files(upload: Upload): Promise<Map<string, Attachment>>;
  /** Files are about to come; what came before has to be told again. @returns undefined when the report is stored */
  begin(key: UploadKey, now: number): Promise<Upload | undefined>;
  /** A file is in place, on the disk. */
  note(upload: Upload, file: Attachment, now: number): Promise<void>;
  /** What is there for a report: what came half takes room, too. */
  weigh(upload: Upload, amounts: Pick<Upload, Measure>): Promise<void>;
  /** The report is stored: its files are kept as long as it is. */
  reported(upload: Upload): Promise<void>;
  /** Files are to be removed. */
  giveUp(upload: Upload): Promise<void>;
  /** The files are removed. */
  forget(upload: Upload): Promise<void>;
  /** Files that are to be removed. */
  gone(limit: number): Promise<Upload[]>;
  /** Those whose report has not come, of which nothing came since. */
  openSince(before: number, limit: number): Promise<Upload[]>;
  /** Those of one machine whose report has not come, oldest first. */
  openOf(peer: string): Promise<Upload[]>;
  /** The machine whose files take most. */
  heaviest(measure: Measure): Promise<{ readonly peer: string; readonly amount: number } | undefined>;
  /** What the files of one machine take. */
  amountOf(measure: Measure, peer: string): Promise<number>;
  /** Those of one machine that take room and are not to be removed already, oldest first. */
  oldestOf(peer: string, limit: number): Promise<Upload[]>;
}
