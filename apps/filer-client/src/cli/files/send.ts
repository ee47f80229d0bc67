import { resolve } from 'node:path';
import {
  ANY_TEXT,
  defaulted,
  DURATION,
  flag,
  list,
  optional,
  progressArgument,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { showJob } from './job-following.ts';
import { linkArguments, linksOf } from './links.ts';
import { refuseMisplacedRecipients, withTrailingRecipient } from './trailing-recipient.ts';
import { exclude, into, limit, onConflict, PATH, TARGET, wayArguments } from '../arguments.ts';

const SENT = textKind(PATH.expects, { value: 'path', completes: 'sent' });

export const args = {
  paths: list(SENT, 'files and folders to send (- for standard input), then the recipient: bob: or @lab:', {
    required: true,
  }),
  to: list(TARGET, 'recipients: a name, an id, @group or @all; the same as bob: at the end', {
    required: true,
    commas: true,
    alias: 't',
  }),
  as: optional(
    textKind('a name such as x.tar'),
    'name of the one path, or of standard input, at the recipients',
  ),
  into,
  note: optional(ANY_TEXT, 'a note of one line for the receiver'),
  onConflict,
  exclude,
  delete: flag('remove at the recipients what this machine sent there before and no longer has'),
  mirror: flag('the same as --delete; usual with --stage'),
  stage: flag('deliver under a hidden name; `release` puts all of it in place at once'),
  ...linkArguments,
  limit,
  ...wayArguments,
  checksum: flag('compare contents by reading them, without the remembered digests'),
  snapshot: flag('send a file that is being written, such as a log, up to its size at the start'),
  dryRun: flag('show what would be sent, and send nothing', { alias: 'n' }),
  timeoutMs: defaulted(DURATION, '1m', 'how long to retry a recipient whose connection was lost'),
  queue: flag('wait for offline recipients; Ctrl-C only stops watching'),
  progress: progressArgument,
};
type SendArguments = ArgumentValues<typeof args>;

export const expand = withTrailingRecipient;

export const synopsis = 'send <paths..> <target>: [flags]';

export const examples = [
  'send build.zip bob:',
  'send a.mov b.mov bob,carol:',
  'send project --to bob --exclude node_modules',
  'send log.txt --to @lab --note "last night"',
  'send build --to @lab --stage --mirror',
  'send - --as x.tar --to bob',
];

export async function run(args: SendArguments, context: Context): Promise<number> {
  const {
    paths,
    note = '',
    as = '',
    into: below = '',
    copyLinks,
    skipLinks,
    delete: deletes,
    mirror: mirrors,
    progress: wanted,
    ...options
  } = args;
  const progress = args.dryRun ? 'none' : wanted;
  const links = linksOf({ copyLinks, skipLinks });
  const mirror = deletes || mirrors;
  const request = { ...options, note, as, into: below, links, mirror };
  if (paths.includes('-')) {
    const { sendStandardInput } = await import('./send-standard-input.ts');
    return await sendStandardInput(paths, request, progress, context);
  }
  refuseMisplacedRecipients(paths);
  const absolute = paths.map((path) => resolve(path));
  const params = { ...request, paths: absolute, summed: !context.output.jsonMode };
  return await showJob(context, progress, (onEvent) => call(context, contract.send, params, onEvent));
}
