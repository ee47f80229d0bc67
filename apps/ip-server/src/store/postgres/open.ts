import { integerIn } from '@filer/program';
import type { Store } from '../interfaces.ts';
import { PostgresAlarmStore } from './alarm-store.ts';
import { PostgresAttachmentStore } from './attachment-store.ts';
import { PostgresAuditStore } from './audit-store.ts';
import { PostgresCollectStore } from './collect-store.ts';
import { SCHEMA_NAME, type PostgresPlace } from './connections.ts';
import { PostgresContents } from './contents.ts';
import { PostgresDatabase } from './database.ts';
import { PostgresExpectationStore } from './expectation-store.ts';
import { shortPlaceOf } from './failures.ts';
import { PostgresMessageStore } from './message-store.ts';
import { PostgresRegistry } from './registry.ts';
import { PostgresReportStore } from './report-store.ts';
import { PostgresSampleStore } from './sample-store.ts';
import { migrate, NEWEST_VERSION } from './schema.ts';
import { PostgresServerStore, type Here } from './server-store.ts';
import { PostgresTokenStore } from './token-store.ts';

/**
 * Opens the store in a PostgreSQL database.
 *
 * @throws FilerError `timed-out` when it cannot be reached, `configuration-invalid` when it refuses this server, `store-damaged` for
 *   one that a newer server made
 */
export async function openPostgresStore(place: PostgresPlace): Promise<Store> {
  const database = new PostgresDatabase(place, NEWEST_VERSION);
  const here: Here = { server: '', keeper: '' };
  try {
    await migrate(database);
    return {
      registry: await PostgresRegistry.open(database),
      reports: new PostgresReportStore(database),
      expectations: new PostgresExpectationStore(database),
      alarms: new PostgresAlarmStore(database),
      samples: new PostgresSampleStore(database),
      attachments: new PostgresAttachmentStore(database, here),
      messages: new PostgresMessageStore(database),
      collects: new PostgresCollectStore(database, here),
      tokens: new PostgresTokenStore(database),
      audit: new PostgresAuditStore(database),
      contents: new PostgresContents(database),
      at: { engine: 'postgresql', database: shortPlaceOf(place.address) },
      bytes: async () => integerIn(await database.get(SIZE), 'bytes'),
      servers: new PostgresServerStore(database, here),
      room: undefined,
      giveUp: () => database.connections.giveUp(),
      close: () => database.close(),
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

const SIZE = `
  SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint AS bytes FROM pg_class
  WHERE relnamespace = '${SCHEMA_NAME}'::regnamespace AND relkind = 'r'`;
