import { resolve } from 'node:path';
import { FilerError, Glob, isGroupName, isName, isPeerId } from '@filer/protocol';
import {
  CRON,
  customKind,
  defaulted,
  DURATION,
  EVERY,
  list,
  optional,
  printable,
  required,
  textKind,
  type ArgumentValues,
  type Context,
  type TimetableText,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { asking } from '../asking.ts';
import { timeWords } from './collect-messages.ts';

const PATTERN = customKind(
  "a pattern over SHARE/path/below such as 'results/**'",
  (text) => Glob.parse(text).text,
  { value: 'pattern' },
);

const SOURCE = customKind(
  '@group, @all, or the name of a machine, such as @lab',
  (text) => {
    if (text !== '@all' && !isName(text) && !isPeerId(text) && !isGroupName(text.replace(/^@/, '')))
      throw new RangeError('not a machine or a group');
    return text;
  },
  { value: 'target', completes: 'target' },
);

const NAME = customKind('a name of a-z, 0-9 and inner hyphens such as lab-2', (text) => {
  if (!isName(text)) throw new RangeError('not a name');
  return text;
});

export const args = {
  name: required(NAME, 'name of the collect'),
  from: list(SOURCE, 'machines to ask: @group, @all or a machine', { commas: true, required: true }),
  path: list(PATTERN, 'files to collect: a pattern over SHARE/path/below', {
    required: true,
  }),
  every: optional(EVERY, 'how often: a duration, or by the calendar as in day@18:00'),
  cron: optional(CRON, 'when, as a cron line'),
  to: optional(
    textKind('a folder such as /srv/collected', { completes: 'folder' }),
    'where the files go (below the data of ip-server unless set)',
  ),
  graceMs: defaulted(DURATION, '10m', 'a machine that has not delivered after this time is late'),
};
type CollectAddArguments = ArgumentValues<typeof args>;

export const examples = [
  "collect add results --from @lab --path 'results/**' --every day@18:00",
  "collect add logs --from web-1,web-2 --path 'logs/*.log' --cron '0 6 * * mon' --to /srv/logs",
];

export async function run(args: CollectAddArguments, context: Context): Promise<void> {
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
function timetableOf({ every, cron }: ArgumentValues<typeof args>): TimetableText {
  const timetable = every ?? cron;
  if (timetable === undefined || (every !== undefined && cron !== undefined))
    throw new FilerError(
      'usage',
      "say when, by one of --every and --cron: --every day@18:00, or --cron '0 18 * * *'",
    );
  return timetable;
}
