import { storedJson, textIn } from '@filer/program';
import type { Queries } from './database.ts';

/** Single values by name, as JSON. */
export async function readMeta<T>(
  queries: Queries,
  key: string,
  parse: (value: unknown) => T,
): Promise<T | undefined> {
  const row = await queries.get('SELECT value FROM meta WHERE key = $1', key);
  return row === undefined ? undefined : storedJson(textIn(row, 'value'), key, parse);
}

export async function saveMeta(queries: Queries, key: string, value: unknown): Promise<void> {
  await queries.run(
    'INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    ...[key, JSON.stringify(value)],
  );
}
