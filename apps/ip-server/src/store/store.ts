import { CollectStore } from './collect-store.ts';
import { AttachmentStore } from './attachment-store.ts';
import { AlarmStore } from './alarm-store.ts';
import { Database } from './sqlite/database.ts';
import { ExpectationStore } from './expectation-store.ts';
import type { Registry } from './registry.ts';
import type { ReportStore } from './report-store.ts';
import { Samples } from './samples.ts';
import { SqliteRegistry } from './sqlite/registry.ts';
import { SqliteReportStore } from './sqlite/report-store.ts';

/** Everything that a server keeps. */
export interface Store {
  readonly registry: Registry;
  readonly reports: ReportStore;
  readonly samples: Samples;
  readonly collects: CollectStore;
  /** Gives a step of the room that was freed back to the file system. @returns whether there is more to give */
  giveBack(): boolean;
  /** Room that the next rows take before the disk is asked for more, in bytes. */
  freeBytes(): number;
  /** Where the disk is nearly full less is written ahead. */
  setShortLog(isShort: boolean): void;
  readonly attachments: AttachmentStore;
  readonly expectations: ExpectationStore;
  readonly alarms: AlarmStore;
  /** All of `work` or nothing. @throws FilerError what `work` throws, or why it could not be committed */
  transaction<T>(work: () => T): T;
  /** May be called twice. */
  close(): void;
}

/**
 * Opens the embedded store of a home.
 *
 * @param busyTimeoutMs how long a write may block this process while another one holds the database
 * @throws FilerError `store-damaged`, `no-space`, `home-not-writable`, `timed-out`
 */
export function openStore(file: string, busyTimeoutMs?: number): Store {
  const database = new Database(file, busyTimeoutMs);
  try {
    return {
      registry: new SqliteRegistry(database),
      reports: new SqliteReportStore(database),
      samples: new Samples(database),
      collects: new CollectStore(database),
      giveBack: () => database.giveBack(),
      freeBytes: () => database.freeBytes,
      setShortLog: (isShort) => void (database.hasShortLog = isShort),
      attachments: new AttachmentStore(database),
      expectations: new ExpectationStore(database),
      alarms: new AlarmStore(database),
      transaction: (work) => database.transaction(work),
      close: () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
