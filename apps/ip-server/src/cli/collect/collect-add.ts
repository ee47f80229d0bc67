import { resolve } from 'node:path';
import { FilerError } from '@filer/protocol';
import { printable, type ArgumentValues, type Context, type TimetableText } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { collectAddArguments } from '../arguments.ts';
import { asking } from '../asking.ts';
import { timeWords } from './collect-messages.ts';

export async function run(args: ArgumentValues<typeof collectAddArguments>, context: Context): Promise<void> {
  const { output } = context;
  const { name, from, path: paths, to, graceMs } = args;
  const { kind, text } = timetableOf(args);
  const added = await asking(context, { exclusive: true }, (server) =>
    server.call(contract.collectAdd, {
      name,
      from,
      paths,
      kind,
      timetable: text,
      graceMs,
      ...(to === undefined ? {} : { folder: resolve(to) }),
    }),
  );
  output.json(added);
  const next = added.nextAt === null ? 'never' : timeWords(added.nextAt);
  output.line(`${added.name} is collected into ${printable(output.path(added.folder))}, first ${next}`);
  const share = /^[^*?[]+/.exec(paths[0] ?? '')?.[0].split('/')[0] ?? 'NAME';
  output.hint(`On each machine:  filer-client share add DIR --as ${printable(share)} --server`);
  output.hint(`To try it now:    ip-server collect run ${added.name}`);
}

/** @throws FilerError `usage` */
function timetableOf({ every, cron }: ArgumentValues<typeof collectAddArguments>): TimetableText {
  const timetable = every ?? cron;
  if (timetable === undefined || (every !== undefined && cron !== undefined))
    throw new FilerError(
      'usage',
      "say when, by one of --every and --cron: --every day@18:00, or --cron '0 18 * * *'",
    );
  return timetable;
}
