import type { Database, KeyValues } from '@filer/program';

/** KeyValues that say something about the network, and nothing about this machine. */
const OF_THE_NETWORK = [
  'directory.epoch',
  'directory.seq',
  'directory.asOf',
  'record',
  'server.overLoopback',
];

/**
 * A home that has joined another network than before knows no one there: peers, pins and removals of the old one
 * are forgotten, and what was shared with them or watched for them goes to no strangers. What was received, said and sent stays; reports stay too, and wait for the network they are for.
 */
export function forgetOtherNetwork(database: Database, settings: KeyValues, network: string): void {
  const before = settings.get('network');
  if (before === network) return;
  database.transaction(() => {
    if (before !== undefined) {
      database.exec(
        'DELETE FROM peers; DELETE FROM pins; DELETE FROM removals; DELETE FROM leaves; DELETE FROM shares',
      );
      for (const table of ['watches', 'watch_files', 'watch_deliveries', 'watch_owed'])
        database.exec(`DELETE FROM ${table}`);
      const forget = database.prepare('DELETE FROM settings WHERE key = ?');
      for (const key of OF_THE_NETWORK) forget.run(key);
    }
    settings.set('network', network);
  });
}
