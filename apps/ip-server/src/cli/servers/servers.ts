import { counted, renderTable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { ServerEntryDocument } from '../../api/contract/server.ts';
import { asking } from '../asking.ts';

export const examples = ['servers', 'servers --json'];

const COLUMNS = [
  { title: 'ID', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'MACHINES', fit: 'whole', align: 'right' },
  { title: 'TIMERS', fit: 'whole' },
  { title: 'ADDRESSES', fit: 'below' },
] as const;

export async function run(_: object, context: Context): Promise<void> {
  const { output } = context;
  const answer = await asking(context, {}, (server) => server.call(contract.servers, {}));
  output.json(answer);
  output.line(renderTable(COLUMNS, answer.servers.map(rowOf), output.columns));
  if (answer.problem !== null) output.warn(`this is what was known before: ${answer.problem}`);
  const waiting = answer.servers.filter(({ state }) => state === 'waiting');
  if (waiting.length > 0) {
    const [first] = waiting;
    output.words(
      `${counted(waiting.length, 'server')} ${waiting.length === 1 ? 'waits' : 'wait'} to be admitted, and no machine trusts a server before: ip-server servers add ${shortId(first?.id ?? 'ID')}`,
    );
  }
  const removed = answer.servers.find(({ state }) => state === 'removed');
  if (removed !== undefined) output.words(`${shortId(removed.id)} was removed and still runs: stop it there`);
}

function rowOf({ id, state, machines, timers, addresses, here }: ServerEntryDocument): string[] {
  return [
    `${shortId(id)}${here ? ' (here)' : ''}`,
    state,
    String(machines),
    timers ? 'yes' : '',
    addresses.join(' '),
  ];
}

/** Enough of an id to name a server to the commands. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}
