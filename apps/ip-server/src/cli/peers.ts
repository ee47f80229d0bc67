import { fieldsOf, listOf, textOf } from '@filer/protocol';
import { formatAgo, renderTable, requireControl, type ArgumentValues, type Context } from '@filer/program';
import type { peersArguments } from './arguments.ts';
import { asking } from './asking.ts';

const COLUMNS = [
  { title: 'NAME' },
  { title: 'STATE' },
  { title: 'LAST SEEN' },
  { title: 'GROUPS' },
  { title: 'ADDRESSES' },
  { title: 'VERSION' },
];

/** Moves to the top left corner of the terminal and empties it. */
const CLEAR = '\u001B[H\u001B[2J';

export async function run(args: ArgumentValues<typeof peersArguments>, context: Context): Promise<void> {
  const { output, stdout, signal, home } = context;
  const { all, watch } = args;
  if (!watch) {
    show(await asking(context, {}, (asker) => asker.ask('peers', { all })), context);
    return;
  }
  const caller = await requireControl(home, { signal });
  const onItem = (document: unknown): void => {
    if (output.dataIsForTerminal && !output.jsonMode) stdout.write(CLEAR);
    show(document, context);
  };
  try {
    await caller.stream('watch-peers', { all }, onItem, { signal });
  } catch (error) {
    // Whoever watches ends it: that is no failure.
    if (!signal.aborted) throw error;
  } finally {
    await caller.close();
  }
}

function show(document: unknown, { output }: Context): void {
  output.json(document);
  const now = Date.now();
  const peers = fieldsOf(document, 'peers')['peers'];
  const rows = listOf(peers, 'peers', Number.POSITIVE_INFINITY, (value) => rowOf(value, now));
  if (rows.length === 0) output.words('No machine has joined yet; make an invite: ip-server invite');
  else output.line(renderTable(COLUMNS, rows, output.columns));
}

function rowOf(value: unknown, now: number): string[] {
  const fields = fieldsOf(value, 'peer');
  const texts = (key: string): string => listOf(fields[key], key, Number.POSITIVE_INFINITY, textOf).join(' ');
  const state = textOf(fields['state'], 'state');
  const isOffline = state === 'stopped' || state === 'lost';
  return [
    textOf(fields['name'], 'name'),
    isOffline ? `offline (${state})` : state,
    formatAgo(Date.parse(textOf(fields['lastSeen'], 'lastSeen')), now),
    texts('groups'),
    texts('addresses'),
    textOf(fields['version'] ?? '', 'version'),
  ];
}
