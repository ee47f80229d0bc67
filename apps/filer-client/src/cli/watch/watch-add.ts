import { resolve } from 'node:path';
import {
  ANY_TEXT,
  defaulted,
  DURATION,
  flag,
  list,
  optional,
  printable,
  required,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { exclude, FOLDER, into, limit, onConflict, TARGET } from '../arguments.ts';
import { showJob } from '../files/job-following.ts';
import { linkArguments, linksOf } from '../files/links.ts';

export const args = {
  folder: required(FOLDER, 'the folder to watch; it need not exist yet'),
  to: list(TARGET, 'recipients: a name, an id, @group or @all', {
    required: true,
    commas: true,
    alias: 't',
  }),
  as: optional(
    textKind('a name such as scans'),
    "name of the folder at the recipients (default: the folder's own name)",
  ),
  into,
  exclude,
  delete: flag('remove at the recipients what is removed here'),
  ...linkArguments,
  deleteAfter: flag('remove a file here when every recipient has signed for it'),
  moveTo: optional(FOLDER, 'move a file to this folder when every recipient has signed for it'),
  onConflict,
  note: optional(ANY_TEXT, 'a note of one line for the receivers'),
  limit,
  settleMs: defaulted(DURATION, '2s', 'how long a file must stay unchanged before it is sent'),
  rescanMs: defaulted(DURATION, '1m', 'how often the whole folder is scanned for changes without an event'),
  dryRun: flag('show what the first look would send and remove, and add nothing', { alias: 'n' }),
};
type WatchAddArguments = ArgumentValues<typeof args>;

export const examples = [
  'watch add ~/scans --to bob',
  'watch add /srv/results --to @lab --exclude "*.log"',
  'watch add ~/outbox --to bob,carol --delete-after',
  'watch add ~/site --to web-1 --delete --into sites --dry-run',
];

export async function run(args: WatchAddArguments, context: Context): Promise<number> {
  const { output } = context;
  const {
    folder,
    as,
    moveTo,
    note = '',
    into: below = '',
    copyLinks,
    skipLinks,
    delete: mirror,
    ...rest
  } = args;
  const { dryRun, ...options } = rest;
  const params = {
    ...options,
    folder: resolve(folder),
    note,
    into: below,
    links: linksOf({ copyLinks, skipLinks }),
    mirror,
    ...(as === undefined ? {} : { name: as }),
    ...(moveTo === undefined ? {} : { moveTo: resolve(moveTo) }),
  };
  if (dryRun)
    return await showJob(context, 'none', (tell) => call(context, contract.watchPreview, params, tell));
  const { isThere, ...watch } = await call(context, contract.watchAdd, params);
  output.json(watch);
  const [name, place] = [printable(watch.name), printable(output.path(watch.folder))];
  output.line(`${name}: ${place} is watched for ${watch.to.map(printable).join(', ')}`);
  if (!isThere) output.words(`${place} does not exist yet: it is watched when it is created`);
  if (watch.state === 'stopped') output.hint('Start watching:  filer-client start');
  else output.hint('See its state:  filer-client watch list');
  return 0;
}
