import { formatAgo, printable, renderTable, type Context, iso } from '@filer/program';
import type { SpoolLine } from '../../store/spool.ts';
import { openMember } from '../home-member.ts';

export const examples = ['report spool', 'report spool --json'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  using member = await openMember(context);
  const lines = [...member.spool.lines()];
  output.json({ reports: lines.map(documentOf) });
  if (lines.length === 0) {
    output.words('No reports wait: the ip-server has all reports of this machine');
    return;
  }
  const now = Date.now();
  output.line(
    renderTable(
      [
        { title: 'NUMBER', fit: 'whole', align: 'right' },
        { title: 'MADE', fit: 'whole' },
        { title: 'REPORT' },
        { title: 'STATE' },
      ],
      // What needs a person comes last, where the eye ends.
      lines
        .toSorted((a, b) => Number(a.refused !== undefined) - Number(b.refused !== undefined))
        .map((line) => [
          String(line.seq),
          formatAgo(line.time, now),
          contentsOf(line),
          line.refused === undefined ? 'waits' : `REFUSED: ${printable(line.refused.reason)}`,
        ]),
      output.columns,
    ),
  );
  if (lines.some(({ refused }) => refused !== undefined))
    output.words(
      'Refused reports are kept until you run `filer-client report spool retry NUMBER` or `filer-client report spool drop NUMBER`',
    );
}

function contentsOf({ body }: SpoolLine): string {
  if (body === undefined) return '(cannot be read)';
  const { title, schedule, values, attachments = [] } = body;
  const pairs = values.map(([key, value]) => `${key}=${value}`);
  const files = attachments.map(({ name }) => `+${name}`);
  return printable([title || schedule, ...pairs, ...files].filter((part) => part !== '').join(' '));
}

function documentOf({ seq, kind, time, body, refused }: SpoolLine): object {
  return {
    seq,
    kind,
    time: iso(time),
    title: body?.title || null,
    schedule: body?.schedule || null,
    attachments: body?.attachments ?? [],
    state: refused === undefined ? 'waiting' : 'refused',
    code: refused?.code ?? null,
    reason: refused?.reason ?? null,
    refusedAt: refused === undefined ? null : iso(refused.at),
  };
}
