import { integerIn, textIn } from '@filer/program';
import type { Queries } from './database.ts';

/** The short numbers of machines, under which their reports and samples are kept; made for those that have none. */
export async function numbersOf(queries: Queries, ids: readonly string[]): Promise<Map<string, number>> {
  const wanted = [...new Set(ids)].toSorted();
  const found = await knownNumbersOf(queries, wanted);
  const missing = wanted.filter((id) => !found.has(id));
  if (missing.length === 0) return found;
  // In one order: two servers that add the same ones do not wait for each other both.
  await queries.run('INSERT INTO peers (id) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING', missing);
  return await knownNumbersOf(queries, wanted);
}

/** Those of machines that have ever reported. */
async function knownNumbersOf(queries: Queries, ids: readonly string[]): Promise<Map<string, number>> {
  const rows = await queries.all('SELECT id, number FROM peers WHERE id = ANY ($1::text[])', ids);
  return new Map(rows.map((row) => [textIn(row, 'id'), integerIn(row, 'number')]));
}
