import { formatAgo, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { AuditDocument } from '../../api/contract/tokens.ts';
import { newestArgs, printNewest } from '../newest.ts';

export const args = newestArgs;

export const examples = ['audit', 'audit --limit 20'];

const COLUMNS = [
  { title: 'WHEN', fit: 'whole' },
  { title: 'WHO' },
  { title: 'WHAT', fit: 'whole' },
  { title: 'TARGET' },
  { title: 'RESULT', fit: 'whole' },
] as const;

export async function run(values: ArgumentValues<typeof args>, context: Context): Promise<void> {
  await printNewest(values, context, {
    ask: (server, limit) => server.call(contract.audit, { limit }),
    columns: COLUMNS,
    rows: ({ entries }, now) => entries.map((each) => rowOf(each, now)),
    none: 'Nothing was changed yet.',
  });
}

function rowOf({ time, by, name, action, target, machine, result }: AuditDocument, now: number): string[] {
  const who = by === 'local' ? 'this machine' : `${name} (${by})`;
  return [
    formatAgo(Date.parse(time), now),
    who,
    action,
    machine === null ? target : `${machine}: ${target}`,
    result ?? 'no result',
  ];
}
