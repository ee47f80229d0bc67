import type { Store } from './interfaces.ts';
import { SqliteAlarmStore } from './sqlite/alarm-store.ts';
import { SqliteAttachmentStore } from './sqlite/attachment-store.ts';
import { SqliteCollectStore } from './sqlite/collect-store.ts';
import { DatabaseRoom, openDatabase } from './sqlite/database.ts';
import { SqliteExpectationStore } from './sqlite/expectation-store.ts';
import { SqliteRegistry } from './sqlite/registry.ts';
import { SqliteReportStore } from './sqlite/report-store.ts';
import { SqliteSampleStore } from './sqlite/sample-store.ts';

/**
 * Opens the embedded store of a home.
 *
 * @param busyTimeoutMs how long a write may block this process while another one holds the database
 * @throws FilerError `store-damaged`, `no-space`, `home-not-writable`, `timed-out`
 */
export async function openStore(file: string, busyTimeoutMs?: number): Promise<Store> {
  const database = openDatabase(file, busyTimeoutMs);
  try {
    const room = new DatabaseRoom(database);
    const alarms = new SqliteAlarmStore(database);
    const expectations = new SqliteExpectationStore(database, alarms);
    return {
      registry: new SqliteRegistry(database),
      reports: new SqliteReportStore(database, expectations),
      samples: new SqliteSampleStore(database),
      collects: new SqliteCollectStore(database),
      giveBack: async () => room.giveBack(),
      freeBytes: async () => room.freeBytes,
      setShortLog: async (isShort) => void (room.hasShortLog = isShort),
      attachments: new SqliteAttachmentStore(database),
      expectations,
      alarms,
      close: async () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
