import { storedJson, textIn } from '@filer/program';
import type { Queries } from './database.ts';

/** Single texts by name. */
export async function metaText(queries: Queries, key: string): Promise<string | undefined> {
  const row = await queries.get('SELECT value FROM meta WHERE key = $1', key);
  return row === undefined ? undefined : textIn(row, 'value');
}

export async function saveMetaText(queries: Queries, key: string, value: string): Promise<void> {
  await queries.run(
    'INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    ...[key, value],
  );
}

/** One that is JSON. */
export async function readMeta<T>(
  queries: Queries,
  key: string,
  parse: (value: unknown) => T,
): Promise<T | undefined> {
  const json = await metaText(queries, key);
  return json === undefined ? undefined : storedJson(json, key, parse);
}

export async function saveMeta(queries: Queries, key: string, value: unknown): Promise<void> {
  await saveMetaText(queries, key, JSON.stringify(value));
}
