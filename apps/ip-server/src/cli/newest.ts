import {
  defaulted,
  integerKind,
  renderTable,
  type ArgumentValues,
  type Column,
  type Context,
} from '@filer/program';
import type { ServerClient } from '../api/server-client.ts';
import { asking } from './asking.ts';

/** Of commands that list the newest of something. */
export const newestArgs = {
  limit: defaulted(integerKind({ min: 1, max: 10_000, example: 100 }), '100', 'how many of the newest'),
};

interface Listed<D> {
  readonly ask: (server: ServerClient, limit: number) => Promise<D>;
  readonly columns: readonly Column[];
  readonly rows: (document: D, now: number) => string[][];
  /** What is said when there are no rows. */
  readonly none: string;
}

/** Prints a document of the server as JSON, and as a table. */
export async function printNewest<D>(
  { limit }: ArgumentValues<typeof newestArgs>,
  context: Context,
  { ask, columns, rows, none }: Listed<D>,
): Promise<void> {
  const { output } = context;
  const document = await asking(context, {}, (server) => ask(server, limit));
  output.json(document);
  const table = rows(document, Date.now());
  if (table.length === 0) output.words(none);
  else output.line(renderTable(columns, table, output.columns));
}
