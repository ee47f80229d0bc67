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

const onConflict = defaulted(
  choiceKind(CONFLICTS),
  'update',
  `what becomes of a file or link whose name is taken: ${CONFLICTS.join(', ')}`,
);
const TARGET = textKind('a name, an id, @group or @all');

export const joinArguments = {
  link: optional(
    textKind('an invite link, - for standard input, or a file'),
    'the link that `ip-server invite` printed',
  ),
  name: optional(
    textKind('a name such as cam-3'),
    'what this machine is called in the network (default: its host name)',
  ),
  newIdentity: flag('make a new key first: for a machine that was cloned from another one'),
};
export type JoinArguments = ArgumentValues<typeof joinArguments>;

export const startArguments = settingArguments(clientSettings);
export type StartArguments = ArgumentValues<typeof startArguments>;

export const peersArguments = {
  all: flag('also this machine itself, and those that left or were removed'),
  watch: flag('go on, and show every change'),
};
export type PeersArguments = ArgumentValues<typeof peersArguments>;

export const sendArguments = {
  paths: list(textKind('a path'), 'the files and folders; - for standard input', { required: true }),
  to: list(TARGET, 'to whom: a name, an id, @group or @all', { required: true, commas: true }),
  as: optional(textKind('a name such as x.tar'), 'what the one path, or standard input, is called there'),
  note: optional(ANY_TEXT, 'a line for the receiver'),
  onConflict,
  exclude: list(
    textKind('a pattern such as *.log'),
    'what stays here, as in a .gitignore (.filerignore files count too)',
  ),
  limit: optional(RATE, 'how fast at most, to all together, such as 20MB/s'),
  checksum: flag('compare contents by reading them, whatever is remembered'),
  snapshot: flag('send a file that is written to meanwhile up to the size that it has now, such as a log'),
  dryRun: flag('show what would be sent, and send nothing'),
  timeoutMs: defaulted(DURATION, '1m', 'how long to try again when a recipient is lost half-way'),
  queue: flag('wait for those that are offline; Ctrl-C only stops watching'),
};
export type SendArguments = ArgumentValues<typeof sendArguments>;

const SHARED_PATH = textKind('PEER:SHARE/path such as bob:docs/plan.pdf');

export const getArguments = {
  source: required(SHARED_PATH, 'what to fetch: PEER:SHARE/path'),
  dest: optional(
    textKind('a path'),
    'where to: a folder, a name that is free, or - for standard output (default: this folder)',
  ),
  onConflict,
  exclude: list(textKind('a pattern such as *.log'), 'what of a folder not to fetch, as in a .gitignore'),
  checksum: flag('compare contents by reading them, whatever is remembered'),
  limit: optional(RATE, 'how fast at most, such as 20MB/s'),
  dryRun: flag('show what would be fetched, and fetch nothing'),
  timeoutMs: defaulted(DURATION, '1m', 'how long to try again when the peer is lost half-way'),
};
export type GetArguments = ArgumentValues<typeof getArguments>;

const timeoutMs = optional(
  DURATION,
  'how long it may take, whatever the other machines do (default: no limit)',
);

export const lsArguments = {
  source: required(textKind('PEER or PEER:SHARE/path'), 'whose shares, or what in one of them'),
  timeoutMs,
};
export type LsArguments = ArgumentValues<typeof lsArguments>;

export const shareAddArguments = {
  folder: required(textKind('a folder'), 'what to offer, with all that lies in it'),
  as: optional(textKind('a name such as docs'), "what others call it (default: the folder's own name)"),
  group: list(textKind('the name of a group such as lab'), 'only for members of this group', {
    commas: true,
  }),
  server: flag("for the ip-server's collects only: members do not see it"),
};
export type ShareAddArguments = ArgumentValues<typeof shareAddArguments>;

export const shareRemoveArguments = { name: required(textKind('the name of a share'), 'which one') };
export type ShareRemoveArguments = ArgumentValues<typeof shareRemoveArguments>;

export const watchAddArguments = {
  folder: required(textKind('a folder'), 'what to watch; it need not be there yet'),
  to: list(TARGET, 'to whom: a name, an id, @group or @all', { required: true, commas: true }),
  as: optional(textKind('a name such as scans'), "what it is called there (default: the folder's own name)"),
  exclude: list(
    textKind('a pattern such as *.log'),
    'what stays here, as in a .gitignore (.filerignore files count too)',
  ),
  deleteAfter: flag('remove a file here once everyone has signed for it'),
  moveTo: optional(textKind('a folder'), 'move a file there once everyone has signed for it'),
  onConflict,
  note: optional(ANY_TEXT, 'a line for the receivers'),
  limit: optional(RATE, 'how fast at most, to all together, such as 20MB/s'),
  settleMs: defaulted(DURATION, '2s', 'how long a file must stay the same before it goes'),
  rescanMs: defaulted(DURATION, '1m', 'how often all is looked through, for what no event told of'),
};
export type WatchAddArguments = ArgumentValues<typeof watchAddArguments>;

export const watchRemoveArguments = { which: required(textKind('a name, a folder or an id'), 'which watch') };
export type WatchRemoveArguments = ArgumentValues<typeof watchRemoveArguments>;

const JOB = textKind('the id of a job, or its beginning');

export const transfersArguments = { watch: flag('go on, and show every change') };
export type TransfersArguments = ArgumentValues<typeof transfersArguments>;

export const jobArguments = { job: required(JOB, 'which job') };
export type JobArguments = ArgumentValues<typeof jobArguments>;

export const historyArguments = {
  job: optional(JOB, 'one job, with a line for each file'),
  sinceMs: optional(DURATION, 'only jobs of the last time, such as 7d'),
  limit: optional(integerKind({ min: 1, max: 1_000_000, example: 20 }), 'only the newest'),
  export: optional(
    choiceKind(['b3sum', 'sha256sum', 'csv']),
    'the receipts of JOB as a list: b3sum, sha256sum or csv',
  ),
  recipient: optional(textKind('a name or an id'), 'of --export: only what this recipient signed'),
};
export type HistoryArguments = ArgumentValues<typeof historyArguments>;

export const verifyArguments = {
  job: required(JOB, 'which job'),
  ask: flag('ask each recipient whether it still holds the same bytes'),
  timeoutMs,
};
export type VerifyArguments = ArgumentValues<typeof verifyArguments>;

export const messageArguments = {
  target: required(TARGET, 'to whom: a name, an id, @group or @all'),
  text: required(textKind('a text'), 'the words; quote them'),
  timeoutMs,
};
export type MessageArguments = ArgumentValues<typeof messageArguments>;

export const broadcastArguments = {
  text: required(textKind('a text'), 'the words; quote them'),
  timeoutMs,
};
export type BroadcastArguments = ArgumentValues<typeof broadcastArguments>;

export const messagesArguments = {
  ids: list(textKind('an id, or its beginning'), 'only these messages'),
  from: optional(textKind('a name or an id'), 'only what this machine said; ip-server for the server'),
  before: optional(MOMENT, 'only what came before this'),
  delete: flag('delete them: those named by id, --from and --before, or --all'),
  keep: flag('keep them, whatever --keep-messages and --message-space of `start` say'),
  noKeep: flag('take --keep back'),
  all: flag('of --delete, --keep and --no-keep: all messages'),
  dryRun: flag('of --delete: show what would be deleted, and delete nothing'),
};
export type MessagesArguments = ArgumentValues<typeof messagesArguments>;

export const offersArguments = {
  ids: list(textKind('an id, or its beginning'), 'which offers'),
  all: flag('all that wait'),
  from: optional(textKind('a name'), 'all that wait of this machine'),
};
export type InboxAcceptArguments = ArgumentValues<typeof offersArguments>;

export const inboxDeclineArguments = {
  ...offersArguments,
  reason: optional(textKind('a text'), 'why; the sender is told'),
};
export type InboxDeclineArguments = ArgumentValues<typeof inboxDeclineArguments>;

export const reportArguments = {
  values: list(textKind('KEY=VALUE'), 'what to report'),
  attach: list(textKind('a file'), 'a file that goes with it, up to 64 MiB (several: repeat it)'),
  title: optional(ANY_TEXT, 'what it is about, in a line'),
};
export type ReportArguments = ArgumentValues<typeof reportArguments>;

export const scheduleAddArguments = {
  name: required(SCHEDULE_NAME, 'what the schedule is called; its reports carry the name'),
  every: optional(EVERY, 'how often: 10m, hour@:15, day@18:00, week@mon@18:00'),
  cron: optional(CRON, "when, as a cron line: '0 18 * * *'"),
  attach: list(GLOB, 'files to attach, found anew each time; quote the pattern (several: repeat it)'),
  set: list(PAIR, 'KEY=VALUE to report each time (several: repeat it)'),
  title: optional(ANY_TEXT, 'what it is about, in a line'),
  expect: optional(
    EXPECT,
    'always: a report that is missing is noticed also when this machine has stopped in order (default: running)',
  ),
  graceMs: optional(
    GRACE,
    'how late a report may come (default: 1m, or 10 % of the time from one to the next if that is more, and the time-out)',
  ),
  timeoutMs: optional(TIMEOUT, 'how long the command may take (default: 1m)'),
  maxOutputBytes: optional(MAX_OUTPUT, 'how much of its output is reported, the last of it (default: 16KiB)'),
  shell: flag('the command is one text for /bin/sh -c'),
  jitterMs: optional(
    DURATION,
    'over how long machines with the same schedule spread (default: 10 % of the time from one to the next, at most 10s)',
  ),
  cwd: optional(textKind('a folder'), 'where the command runs (default: the home of this user)'),
  replace: flag('put it in the place of the one that has this name'),
  command: list(ANY_TEXT, 'a program and its arguments, after --; what it writes is reported'),
};
export type ScheduleAddArguments = ArgumentValues<typeof scheduleAddArguments>;

export const scheduleNameArguments = { name: required(SCHEDULE_NAME, 'which schedule') };
export type ScheduleNameArguments = ArgumentValues<typeof scheduleNameArguments>;

export const refusedArguments = {
  numbers: list(
    integerKind({ min: 1, max: Number.MAX_SAFE_INTEGER, example: 7 }),
    'the numbers of refused reports',
  ),
  all: flag('all that were refused'),
};
export type RefusedArguments = ArgumentValues<typeof refusedArguments>;

export const trustArguments = {
  name: required(textKind('the name of a peer'), 'whose new identity is right'),
};
export type TrustArguments = ArgumentValues<typeof trustArguments>;

export const serverArguments = {
  address: required(textKind('HOST:PORT such as 192.0.2.7:10901'), 'where the ip-server is now'),
};
export type ServerArguments = ArgumentValues<typeof serverArguments>;

export const leaveArguments = { yes: flag('do not ask', { alias: 'y' }) };
export type LeaveArguments = ArgumentValues<typeof leaveArguments>;
