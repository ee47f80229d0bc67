import type { Store } from '../interfaces.ts';
import { SqliteAlarmStore } from './alarm-store.ts';
import { SqliteAttachmentStore } from './attachment-store.ts';
import { SqliteAuditStore } from './audit-store.ts';
import { SqliteCollectStore } from './collect-store.ts';
import { SqliteContents } from './contents.ts';
import { openDatabase, SqliteRoom } from './database.ts';
import { SqliteExpectationStore } from './expectation-store.ts';
import { SqliteMessageStore } from './message-store.ts';
import { SqliteRegistry } from './registry.ts';
import { SqliteReportStore } from './report-store.ts';
import { SqliteSampleStore } from './sample-store.ts';
import { SqliteTokenStore } from './token-store.ts';

/**
 * Opens the embedded store.
 *
 * @param busyTimeoutMs how long a write may block this process while another one holds the database
 * @throws FilerError `store-damaged`, `no-space`, `home-not-writable`, `timed-out`
 */
export async function openSqliteStore(file: string, busyTimeoutMs?: number): Promise<Store> {
  const database = openDatabase(file, busyTimeoutMs);
  try {
    const alarms = new SqliteAlarmStore(database);
    const expectations = new SqliteExpectationStore(database, alarms);
    return {
      registry: new SqliteRegistry(database),
      reports: new SqliteReportStore(database, expectations),
      samples: new SqliteSampleStore(database),
      messages: new SqliteMessageStore(database),
      collects: new SqliteCollectStore(database),
      tokens: new SqliteTokenStore(database),
      audit: new SqliteAuditStore(database),
      attachments: new SqliteAttachmentStore(database),
      expectations,
      alarms,
      contents: new SqliteContents(database),
      at: { engine: 'sqlite', database: file },
      bytes: async () => database.pragma('page_count') * database.pragma('page_size'),
      room: new SqliteRoom(database),
      close: async () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}
