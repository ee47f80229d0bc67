import type { AlarmStore } from './alarm-store.ts';
import type { AttachmentStore } from './attachment-store.ts';
import type { AuditStore } from './audit-store.ts';
import type { CollectStore } from './collect-store.ts';
import type { StoreContents } from './contents.ts';
import type { ExpectationStore } from './expectation-store.ts';
import type { MessageStore } from './message-store.ts';
import type { Registry } from './registry.ts';
import type { ReportStore } from './report-store.ts';
import type { ServerStore } from './server-store.ts';
import type { SampleStore } from './sample-store.ts';
import type { TokenStore } from './token-store.ts';

/**
 * What a server keeps; `test/suites/store.ts` says how each engine behaves. An engine may lie on another machine, and serve several
 * servers: all answers are promises, order and positions are the engine's, and what belongs together is given together.
 */
export interface Store {
  readonly registry: Registry;
  readonly reports: ReportStore;
  readonly expectations: ExpectationStore;
  readonly alarms: AlarmStore;
  readonly samples: SampleStore;
  readonly messages: MessageStore;
  readonly attachments: AttachmentStore;
  readonly collects: CollectStore;
  readonly tokens: TokenStore;
  readonly audit: AuditStore;
  /** All of it as rows; undefined for an engine whose contents end with the process. */
  readonly contents: StoreContents | undefined;
  readonly at: StoreAt;
  /** What it takes where it is, roughly. @throws FilerError when it cannot be reached */
  bytes(): Promise<number>;
  /** What several servers of a network share; absent of an engine that serves one. */
  readonly servers?: ServerStore;
  /** What it takes of the disk of this home; undefined for an engine that keeps nothing there. */
  readonly room: DatabaseRoom | undefined;
  /** What waits for an engine elsewhere fails at once, and all that is asked later; absent of an engine that always answers. */
  readonly giveUp?: () => void;
  /** May be called twice. */
  close(): Promise<void>;
}

export interface StoreAt {
  readonly engine: string;
  /** Its file, or its name and hosts: what people know it by, without user and password. */
  readonly database: string;
}

/** A database on the disk of the home. */
export interface DatabaseRoom {
  /** Gives a step of the room that was freed back to the file system. @returns whether there is more to give */
  giveBack(): Promise<boolean>;
  /** Room that the next rows take before the disk is asked for more, in bytes. */
  freeBytes(): Promise<number>;
  /** Where the disk is nearly full less is written ahead. */
  setShortLog(isShort: boolean): Promise<void>;
}
