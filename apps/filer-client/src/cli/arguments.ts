import { CONFLICTS } from '@filer/protocol';
import {
  ANY_TEXT,
  choiceKind,
  CRON,
  defaulted,
  DURATION,
  EVERY,
  flag,
  integerKind,
  list,
  MOMENT,
  optional,
  progressArgument,
  RATE,
  required,
  settingArguments,
  textKind,
  type ArgumentValues,
} from '@filer/program';
import { EXPECT, GLOB, GRACE, MAX_OUTPUT, PAIR, SCHEDULE_NAME, TIMEOUT } from '../schedule-kinds.ts';
import { clientSettings } from '../settings.ts';

/*
 * What can be typed after each command, and what may stand there. The commands themselves are in commands.ts.
 */

const onConflict = defaulted(choiceKind(CONFLICTS), 'update', 'what to do when the name already exists');
const PEER = textKind('a name or an id', { value: 'peer', completes: 'peer' });
const TARGET = textKind('a name, an id, @group or @all', { value: 'target', completes: 'target' });
const JOB = textKind('the id of a job, or its beginning', { value: 'job', completes: 'job' });
const FILE = textKind('a file', { completes: 'file' });
const FOLDER = textKind('a folder', { completes: 'folder' });
const PATH = textKind('a path', { completes: 'file' });
const SENT = textKind(PATH.expects, { value: 'path', completes: 'sent' });

const timeoutMs = optional(DURATION, 'limit of the total time (default: no limit)');

export const joinArguments = {
  link: optional(
    textKind('an invite link, - for standard input, or a file', { value: 'link', completes: 'file' }),
    'the link that `ip-server invite` printed',
  ),
  name: optional(
    textKind('a name such as cam-3'),
    'name of this machine in the network (default: its host name)',
  ),
  service: flag('install and start it as a service, so that it runs from now on'),
  newIdentity: flag('make a new key first (for a machine that was cloned from another one)'),
  timeoutMs,
};
export type JoinArguments = ArgumentValues<typeof joinArguments>;

export const startArguments = settingArguments(clientSettings);
export type StartArguments = ArgumentValues<typeof startArguments>;

export const peersArguments = {
  all: flag('include this machine, and machines that left or were removed'),
  watch: flag('keep running, and show every change'),
  timeoutMs,
};
export type PeersArguments = ArgumentValues<typeof peersArguments>;

const into = optional(
  textKind('a folder such as reports/2026'),
  'folder at the recipients, below the one that their inbox has for this machine',
);

const linkArguments = {
  copyLinks: flag('send what links in folders lead to, in their place'),
  skipLinks: flag('do not send links that are in folders'),
};

export const sendArguments = {
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
  exclude: list(
    textKind('a pattern such as *.log'),
    'do not send files that match, as in a .gitignore (.filerignore files count too)',
  ),
  delete: flag('remove at the recipients what this machine sent there before and no longer has'),
  ...linkArguments,
  limit: optional(RATE, 'limit the total rate, for example 20MB/s'),
  checksum: flag('compare contents by reading them, without the remembered digests'),
  snapshot: flag('send a file that is being written, such as a log, up to its size at the start'),
  dryRun: flag('show what would be sent, and send nothing', { alias: 'n' }),
  timeoutMs: defaulted(DURATION, '1m', 'how long to retry a recipient whose connection was lost'),
  queue: flag('wait for offline recipients; Ctrl-C only stops watching'),
  progress: progressArgument,
};
export type SendArguments = ArgumentValues<typeof sendArguments>;

const SHARED_PATH = textKind('PEER:SHARE/path such as bob:docs/plan.pdf', { completes: 'shared' });

export const getArguments = {
  sources: list(SHARED_PATH, 'what to fetch: PEER:SHARE/path, or a pattern such as "bob:docs/*.pdf"', {
    required: true,
  }),
  dest: optional(
    PATH,
    'destination: a folder, an unused name, or - for standard output (default: this folder)',
  ),
  onConflict,
  exclude: list(textKind('a pattern such as *.log'), 'do not fetch files that match, as in a .gitignore'),
  checksum: flag('compare contents by reading them, without the remembered digests'),
  limit: optional(RATE, 'limit the rate, for example 20MB/s'),
  dryRun: flag('show what would be fetched, and fetch nothing', { alias: 'n' }),
  timeoutMs: defaulted(DURATION, '1m', 'how long to retry when the connection to the peer was lost'),
  progress: progressArgument,
};
export type GetArguments = ArgumentValues<typeof getArguments>;

export const lsArguments = {
  source: required(
    textKind('PEER or PEER:SHARE/path', { completes: 'shared' }),
    'the peer, or a path in one of its shares',
  ),
  timeoutMs,
};
export type LsArguments = ArgumentValues<typeof lsArguments>;

export const shareAddArguments = {
  folder: required(FOLDER, 'the folder to share, with its contents'),
  as: optional(textKind('a name such as docs'), "name of the share (default: the folder's own name)"),
  group: list(
    textKind('the name of a group such as lab', { value: 'group', completes: 'group' }),
    'only for members of this group',
    {
      commas: true,
    },
  ),
  server: flag("only for the ip-server's collects; members do not see it"),
};
export type ShareAddArguments = ArgumentValues<typeof shareAddArguments>;

export const shareRemoveArguments = {
  name: required(textKind('the name of a share', { completes: 'share' }), 'which share'),
};
export type ShareRemoveArguments = ArgumentValues<typeof shareRemoveArguments>;

export const watchAddArguments = {
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
  exclude: list(
    textKind('a pattern such as *.log'),
    'do not send files that match, as in a .gitignore (.filerignore files count too)',
  ),
  delete: flag('remove at the recipients what is removed here'),
  ...linkArguments,
  deleteAfter: flag('remove a file here when every recipient has signed for it'),
  moveTo: optional(FOLDER, 'move a file to this folder when every recipient has signed for it'),
  onConflict,
  note: optional(ANY_TEXT, 'a note of one line for the receivers'),
  limit: optional(RATE, 'limit the total rate, for example 20MB/s'),
  settleMs: defaulted(DURATION, '2s', 'how long a file must stay unchanged before it is sent'),
  rescanMs: defaulted(DURATION, '1m', 'how often the whole folder is scanned for changes without an event'),
  dryRun: flag('show what the first look would send and remove, and add nothing', { alias: 'n' }),
};
export type WatchAddArguments = ArgumentValues<typeof watchAddArguments>;

export const watchRemoveArguments = {
  which: required(textKind('a name, a folder or an id', { completes: 'watch' }), 'which watch'),
};
export type WatchRemoveArguments = ArgumentValues<typeof watchRemoveArguments>;

export const transfersArguments = { watch: flag('keep running, and show every change') };
export type TransfersArguments = ArgumentValues<typeof transfersArguments>;

export const jobArguments = { job: required(JOB, 'which job') };

/** Of a job that runs, waits or is paused. */
const ACTIVE_JOB = textKind(JOB.expects, { value: 'job', completes: 'active-job' });
export const activeJobArguments = { job: required(ACTIVE_JOB, 'which job') };
export type JobArguments = ArgumentValues<typeof jobArguments>;

export const retryArguments = { ...jobArguments, progress: progressArgument };
export type RetryArguments = ArgumentValues<typeof retryArguments>;

export const historyArguments = {
  job: optional(JOB, 'show one job, with a line for each file'),
  sinceMs: optional(DURATION, 'only jobs that are not older, for example 7d'),
  limit: optional(integerKind({ min: 1, max: 1_000_000, example: 20 }), 'number of newest jobs to show'),
  export: optional(choiceKind(['b3sum', 'sha256sum', 'csv']), 'print the receipts of the job as a list'),
  recipient: optional(PEER, 'with --export: only receipts of this recipient'),
};
export type HistoryArguments = ArgumentValues<typeof historyArguments>;

export const verifyArguments = {
  job: required(JOB, 'which job'),
  ask: flag('ask each recipient whether it still holds the same bytes'),
  timeoutMs,
};
export type VerifyArguments = ArgumentValues<typeof verifyArguments>;

export const messageArguments = {
  target: required(TARGET, 'recipients: a name, an id, @group or @all'),
  text: required(textKind('a text'), 'the text, in quotes'),
  queue: flag('keep it on disk for who is offline, and deliver it when they are back'),
  timeoutMs,
};
export type MessageArguments = ArgumentValues<typeof messageArguments>;

export const broadcastArguments = {
  text: required(textKind('a text'), 'the text, in quotes'),
  timeoutMs,
};
export type BroadcastArguments = ArgumentValues<typeof broadcastArguments>;

export const messagesArguments = {
  ids: list(textKind('an id, or its beginning', { completes: 'message' }), 'only these messages'),
  from: optional(PEER, 'only texts from the machine of this name; ip-server for the server'),
  before: optional(MOMENT, 'only texts received before this time'),
  delete: flag('delete them: those named by id, --from and --before, or --all'),
  keep: flag('keep them, regardless of --keep-messages and --message-space of `start`'),
  noKeep: flag('undo --keep'),
  all: flag('with --delete, --keep and --no-keep: all messages'),
  dryRun: flag('with --delete: show what would be deleted, and delete nothing', { alias: 'n' }),
  queued: flag('list own messages that wait for their recipients (message --queue); --delete cancels them'),
};
export type MessagesArguments = ArgumentValues<typeof messagesArguments>;

export const inboxArguments = {
  files: flag('list each file'),
  from: optional(PEER, 'only what this machine sent'),
  since: optional(MOMENT, 'only what came at or after this'),
  limit: optional(
    integerKind({ min: 1, max: 1_000_000, example: 20 }),
    'number of newest deliveries, or files, to show',
  ),
};
export type InboxArguments = ArgumentValues<typeof inboxArguments>;

export const offersArguments = {
  ids: list(textKind('an id, or its beginning', { completes: 'offer' }), 'which offers'),
  all: flag('all offers that wait'),
  from: optional(PEER, 'all offers of this machine that wait'),
};
export type InboxAcceptArguments = ArgumentValues<typeof offersArguments>;

export const inboxDeclineArguments = {
  ...offersArguments,
  reason: optional(textKind('a text'), 'the reason, which is sent to the sender'),
};
export type InboxDeclineArguments = ArgumentValues<typeof inboxDeclineArguments>;

export const reportArguments = {
  values: list(textKind('KEY=VALUE'), 'what to report'),
  attach: list(FILE, 'a file to attach, up to 64 MiB'),
  title: optional(ANY_TEXT, 'a title of one line'),
  timeoutMs,
};
export type ReportArguments = ArgumentValues<typeof reportArguments>;

export const scheduleAddArguments = {
  name: required(SCHEDULE_NAME, 'name of the schedule; its reports have this name'),
  every: optional(EVERY, 'how often: 10m, hour@:15, day@18:00, week@mon@18:00'),
  cron: optional(CRON, "when, as a cron line: '0 18 * * *'"),
  attach: list(GLOB, 'files to attach, matched at each run; quote the pattern'),
  set: list(PAIR, 'KEY=VALUE to report each time'),
  title: optional(ANY_TEXT, 'a title of one line'),
  expect: optional(
    EXPECT,
    'always: a missing report is noticed also when this machine has stopped in order (default: running)',
  ),
  graceMs: optional(
    GRACE,
    'how late a report may come (default: 1m, or 10 % of the interval if that is more, plus the time-out)',
  ),
  timeoutMs: optional(TIMEOUT, 'how long the command may take (default: 1m)'),
  maxOutputBytes: optional(MAX_OUTPUT, 'how much of the end of its output is reported (default: 16KiB)'),
  shell: flag('the command is one text for /bin/sh -c'),
  jitterMs: optional(
    DURATION,
    'the time over which machines with the same schedule are spread (default: 10 % of the interval, at most 10s)',
  ),
  cwd: optional(FOLDER, 'where the command runs (default: the home of this user)'),
  replace: flag('replace the schedule that has this name'),
  command: list(
    { ...ANY_TEXT, completes: 'file' },
    'a program and its arguments, after --; its output is reported',
  ),
};
export type ScheduleAddArguments = ArgumentValues<typeof scheduleAddArguments>;

const OWN_SCHEDULE = { ...SCHEDULE_NAME, completes: 'schedule' };
export const scheduleNameArguments = { name: required(OWN_SCHEDULE, 'which schedule') };
export type ScheduleNameArguments = ArgumentValues<typeof scheduleNameArguments>;

export const refusedArguments = {
  numbers: list(
    { ...integerKind({ min: 1, max: Number.MAX_SAFE_INTEGER, example: 7 }), completes: 'refused-report' },
    'the numbers of refused reports',
  ),
  all: flag('all refused reports'),
};
export type RefusedArguments = ArgumentValues<typeof refusedArguments>;

export const trustArguments = {
  name: required(
    textKind('the name of a peer', { completes: 'peer' }),
    'the peer whose new identity to trust',
  ),
};
export type TrustArguments = ArgumentValues<typeof trustArguments>;

export const serverArguments = {
  address: required(textKind('HOST:PORT such as 192.0.2.7:10901'), 'the new address of the ip-server'),
  timeoutMs,
};
export type ServerArguments = ArgumentValues<typeof serverArguments>;
