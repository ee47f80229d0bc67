import { fieldsOf, integerOf, listOf, textOf } from '@filer/protocol';
import { formatAgo, formatDuration, renderTable, type Context } from '@filer/program';
import type { Asker } from '../api/ask.ts';

const COLUMNS = [
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'USED', align: 'right' },
  { title: 'EXPIRES' },
  { title: 'GROUPS' },
  { title: 'MEMBERS' },
] as const;

export async function listInvites(asker: Asker, { output }: Context): Promise<void> {
  const answer = await asker.ask('invite-list');
  output.json(answer);
  const now = Date.now();
  const rows = listOf(fieldsOf(answer, 'invites')['invites'], 'invites', Number.POSITIVE_INFINITY, (value) =>
    rowOf(value, now),
  );
  if (rows.length === 0) output.words('There are no invites; make one: ip-server invite');
  else output.line(renderTable(COLUMNS, rows, output.columns));
}

function rowOf(value: unknown, now: number): string[] {
  const fields = fieldsOf(value, 'invite');
  const texts = (key: string): string => listOf(fields[key], key, Number.POSITIVE_INFINITY, textOf).join(' ');
  const expiresAt = Date.parse(textOf(fields['expiresAt'], 'expiresAt'));
  return [
    textOf(fields['id'], 'id'),
    textOf(fields['state'], 'state'),
    `${integerOf(fields['used'], 'used')}/${integerOf(fields['uses'], 'uses')}`,
    expiresAt > now ? `in ${formatDuration(expiresAt - now)}` : formatAgo(expiresAt, now),
    texts('groups'),
    texts('members'),
  ];
}
