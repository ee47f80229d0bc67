import { once } from 'node:events';
import { FilerError, nearNames } from '@filer/protocol';
import { formatAgo, printableJson, renderTable, type ArgumentValues, type Context } from '@filer/program';
import type { Store } from '../store/store.ts';
import type { reportsArguments } from './arguments.ts';
import { documentOf, namesOf, openHistory, type ReportDocument } from './report-documents.ts';

const COLUMNS = [
  { title: 'ID' },
  { title: 'WHEN' },
  { title: 'PEER' },
  { title: 'TITLE' },
  { title: 'VALUES' },
];

/** JSON is handed to the stream in pieces of about this many characters. */
const PIECE_LENGTH = 64 * 1024;

export async function run(args: ArgumentValues<typeof reportsArguments>, context: Context): Promise<void> {
  const { home, output } = context;
  const store = openHistory(home);
  try {
    const documents = documentsOf(store, args);
    if (output.jsonMode) await writeJson(documents, context);
    else showTable([...documents], context);
  } finally {
    store.close();
  }
}

function* documentsOf(
  store: Store,
  { peer, sinceMs }: ArgumentValues<typeof reportsArguments>,
): Generator<ReportDocument, void, void> {
  const members = store.registry.members();
  const names = namesOf(members);
  const query = {
    peers: peer === undefined ? undefined : [idOf(peer, names)],
    since: sinceMs === undefined ? undefined : Date.now() - sinceMs,
  };
  for (const stored of store.reports.query(query)) yield documentOf(stored, names);
}

/** The last who had the name: a removed machine's reports are found by its id. */
function idOf(peer: string, names: ReadonlyMap<string, string>): string {
  const id = names.has(peer) ? peer : [...names].findLast(([, name]) => name === peer)?.[0];
  if (id !== undefined) return id;
  const near = nearNames(peer, names.values());
  const hint =
    near.length > 0 ? `did you mean ${near.join(' or ')}?` : '"ip-server peers --all" shows who there was';
  throw new FilerError('no-such-peer', `there is no machine ${JSON.stringify(peer)}, ${hint}`);
}

/** One document of any size, without holding it in memory. */
async function writeJson(documents: Iterable<ReportDocument>, { stdout, signal }: Context): Promise<void> {
  let piece = '{"reports":[';
  let separator = '';
  for (const document of documents) {
    piece += `${separator}${printableJson(document)}`;
    separator = ',';
    if (piece.length < PIECE_LENGTH) continue;
    signal.throwIfAborted();
    if (!stdout.write(piece)) await once(stdout, 'drain', { signal });
    piece = '';
  }
  stdout.write(`${piece}]}\n`);
}

function showTable(documents: readonly ReportDocument[], { output }: Context): void {
  if (documents.length === 0) {
    output.words('There are no reports; on a machine of the network: filer-client report KEY=VALUE');
    return;
  }
  const now = Date.now();
  const rows = documents.map(({ id, peer, receivedAt, title, schedule, values }) => [
    id,
    formatAgo(Date.parse(receivedAt), now),
    peer,
    title ?? schedule ?? '',
    Object.entries(values)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
  ]);
  output.line(renderTable(COLUMNS, rows, output.columns));
}
