import {
  defaulted,
  formatAgo,
  integerKind,
  renderTable,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { AuditDocument } from '../../api/contract/tokens.ts';
import { asking } from '../asking.ts';

export const args = {
  limit: defaulted(integerKind({ min: 1, max: 10_000, example: 100 }), '100', 'how many of the newest'),
};

export const examples = ['audit', 'audit --limit 20'];

const COLUMNS = [
  { title: 'WHEN', fit: 'whole' },
  { title: 'WHO' },
  { title: 'WHAT', fit: 'whole' },
  { title: 'TARGET' },
  { title: 'RESULT', fit: 'whole' },
] as const;

export async function run({ limit }: ArgumentValues<typeof args>, context: Context): Promise<void> {
  const { output } = context;
  const document = await asking(context, {}, (server) => server.call(contract.audit, { limit }));
  output.json(document);
  const now = Date.now();
  const rows = document.entries.map((entry) => rowOf(entry, now));
  if (rows.length === 0) output.words('Nothing was changed yet.');
  else output.line(renderTable(COLUMNS, rows, output.columns));
}

function rowOf({ time, by, name, action, target, result }: AuditDocument, now: number): string[] {
  const who = by === 'local' ? 'this machine' : `${name} (${by})`;
  return [formatAgo(Date.parse(time), now), who, action, target, result ?? 'no result'];
}
