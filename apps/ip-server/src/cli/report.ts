import { FilerError } from '@filer/protocol';
import { printable, type ArgumentValues, type Context } from '@filer/program';
import type { reportArguments } from './arguments.ts';
import { documentOf, namesOf, openHistory } from './report-documents.ts';

export function run({ id }: ArgumentValues<typeof reportArguments>, context: Context): Promise<void> {
  const { home, output } = context;
  const store = openHistory(home);
  try {
    const stored = store.reports.get(id);
    if (stored === undefined) {
      throw new FilerError(
        'path-missing',
        `there is no report ${id}: "ip-server reports" shows what there is`,
      );
    }
    const document = documentOf(stored, namesOf(store.registry.members()));
    output.json(document);
    const { peer, title, schedule, time, receivedAt, values } = document;
    output.line(`${printable(peer)}, ${time} (received ${receivedAt})`);
    if (schedule !== null) output.line(`schedule ${printable(schedule)}`);
    if (title !== null) output.line(printable(title));
    for (const [key, value] of Object.entries(values))
      output.line(`  ${printable(key)} = ${printable(value)}`);
    return Promise.resolve();
  } finally {
    store.close();
  }
}
