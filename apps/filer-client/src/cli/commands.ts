import {
  ANY_TEXT,
  choiceKind,
  CRON,
  defaulted,
  defineCommand,
  DURATION,
  EVERY,
  flag,
  integerKind,
  list,
  optional,
  RATE,
  required,
  settingArguments,
  textKind,
  type ArgumentValues,
  type Command,
} from '@filer/program';
import { EXPECT, GLOB, GRACE, MAX_OUTPUT, PAIR, SCHEDULE_NAME, TIMEOUT } from '../schedule-kinds.ts';
import { clientSettings } from '../settings.ts';

/*
 * The command line of filer-client in one place: what can be typed. What a command does is in the file of its
 * name, loaded when it is used.
 */

const TARGET = textKind('a name, an id, @group or @all');

const join = {
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
export type JoinArguments = ArgumentValues<typeof join>;

const start = settingArguments(clientSettings);
export type StartArguments = ArgumentValues<typeof start>;

const none = {};

const peers = {
  all: flag('also this machine itself, and those that left or were removed'),
  watch: flag('go on, and show every change'),
};
export type PeersArguments = ArgumentValues<typeof peers>;

const send = {
  paths: list(textKind('a path'), 'the files and folders; - for standard input', { required: true }),
  to: list(TARGET, 'to whom: a name, an id, @group or @all', { required: true, commas: true }),
  as: optional(textKind('a name such as x.tar'), 'what the one path, or standard input, is called there'),
  note: optional(ANY_TEXT, 'a line for the receiver'),
  onConflict: defaulted(
    choiceKind(['rename', 'skip', 'overwrite', 'newer']),
    'rename',
    'what becomes of a file whose name is taken',
  ),
  exclude: list(
    textKind('a pattern such as *.log'),
    'what stays here, as in a .gitignore (.filerignore files count too)',
  ),
  limit: optional(RATE, 'how fast at most, to all together, such as 20MB/s'),
  checksum: flag('compare contents by reading them, whatever is remembered'),
  dryRun: flag('show what would be sent, and send nothing'),
  timeoutMs: defaulted(DURATION, '1m', 'how long to try again when a recipient is lost half-way'),
  queue: flag('wait for those that are offline; Ctrl-C only stops watching'),
};
export type SendArguments = ArgumentValues<typeof send>;

const SHARED_PATH = textKind('PEER:SHARE/path such as bob:docs/plan.pdf');

const get = {
  source: required(SHARED_PATH, 'what to fetch: PEER:SHARE/path'),
  dest: optional(
    textKind('a path'),
    'where to: a folder, a name that is free, or - for standard output (default: this folder)',
  ),
  onConflict: defaulted(
    choiceKind(['rename', 'skip', 'overwrite', 'newer']),
    'rename',
    'what becomes of a file whose name is taken',
  ),
  exclude: list(textKind('a pattern such as *.log'), 'what of a folder not to fetch, as in a .gitignore'),
  checksum: flag('compare contents by reading them, whatever is remembered'),
  limit: optional(RATE, 'how fast at most, such as 20MB/s'),
  dryRun: flag('show what would be fetched, and fetch nothing'),
  timeoutMs: defaulted(DURATION, '1m', 'how long to try again when the peer is lost half-way'),
};
export type GetArguments = ArgumentValues<typeof get>;

const ls = { source: required(textKind('PEER or PEER:SHARE/path'), 'whose shares, or what in one of them') };
export type LsArguments = ArgumentValues<typeof ls>;

const shareAdd = {
  folder: required(textKind('a folder'), 'what to offer, with all that lies in it'),
  as: optional(textKind('a name such as docs'), "what others call it (default: the folder's own name)"),
  group: list(textKind('the name of a group such as lab'), 'only for members of this group', {
    commas: true,
  }),
  server: flag("for the ip-server's collects only: members do not see it"),
};
export type ShareAddArguments = ArgumentValues<typeof shareAdd>;

const shareRemove = { name: required(textKind('the name of a share'), 'which one') };
export type ShareRemoveArguments = ArgumentValues<typeof shareRemove>;

const watchAdd = {
  folder: required(textKind('a folder'), 'what to watch; it need not be there yet'),
  to: list(TARGET, 'to whom: a name, an id, @group or @all', { required: true, commas: true }),
  as: optional(textKind('a name such as scans'), "what it is called there (default: the folder's own name)"),
  exclude: list(
    textKind('a pattern such as *.log'),
    'what stays here, as in a .gitignore (.filerignore files count too)',
  ),
  deleteAfter: flag('remove a file here once everyone has signed for it'),
  moveTo: optional(textKind('a folder'), 'move a file there once everyone has signed for it'),
  onConflict: defaulted(
    choiceKind(['rename', 'skip', 'overwrite', 'newer']),
    'overwrite',
    'what becomes of a file whose name is taken',
  ),
  note: optional(ANY_TEXT, 'a line for the receivers'),
  limit: optional(RATE, 'how fast at most, to all together, such as 20MB/s'),
  settleMs: defaulted(DURATION, '2s', 'how long a file must stay the same before it goes'),
  rescanMs: defaulted(DURATION, '1m', 'how often all is looked through, for what nobody told of'),
};
export type WatchAddArguments = ArgumentValues<typeof watchAdd>;

const watchRemove = { which: required(textKind('a name, a folder or an id'), 'which watch') };
export type WatchRemoveArguments = ArgumentValues<typeof watchRemove>;

const JOB = textKind('the id of a job, or its beginning');

const transfers = { watch: flag('go on, and show every change') };
export type TransfersArguments = ArgumentValues<typeof transfers>;

const job = { job: required(JOB, 'which job') };
export type JobArguments = ArgumentValues<typeof job>;

const history = {
  job: optional(JOB, 'one job, with a line for each file'),
  sinceMs: optional(DURATION, 'only jobs of the last time, such as 7d'),
  limit: optional(integerKind({ min: 1, max: 1_000_000, example: 20 }), 'only the newest'),
  export: optional(
    choiceKind(['b3sum', 'sha256sum', 'csv']),
    'the receipts of JOB as a list: b3sum, sha256sum or csv',
  ),
  recipient: optional(textKind('a name or an id'), 'of --export: only what this recipient signed'),
};
export type HistoryArguments = ArgumentValues<typeof history>;

const verify = {
  job: required(JOB, 'which job'),
  ask: flag('ask each recipient whether it still holds the same bytes'),
};
export type VerifyArguments = ArgumentValues<typeof verify>;

const message = {
  target: required(TARGET, 'to whom: a name, an id, @group or @all'),
  text: required(textKind('a text'), 'the words; quote them'),
};
export type MessageArguments = ArgumentValues<typeof message>;

const broadcast = { text: required(textKind('a text'), 'the words; quote them') };
export type BroadcastArguments = ArgumentValues<typeof broadcast>;

const offers = {
  ids: list(textKind('an id, or its beginning'), 'which offers'),
  all: flag('all that wait'),
  from: optional(textKind('a name'), 'all that wait of this machine'),
};
export type InboxAcceptArguments = ArgumentValues<typeof offers>;

const inboxDecline = { ...offers, reason: optional(textKind('a text'), 'why; the sender is told') };
export type InboxDeclineArguments = ArgumentValues<typeof inboxDecline>;

const report = {
  values: list(textKind('KEY=VALUE'), 'what to report'),
  attach: list(textKind('a file'), 'a file that goes with it, up to 64 MiB (several: repeat it)'),
  title: optional(ANY_TEXT, 'what it is about, in a line'),
};
export type ReportArguments = ArgumentValues<typeof report>;

const scheduleAdd = {
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
export type ScheduleAddArguments = ArgumentValues<typeof scheduleAdd>;

const scheduleName = { name: required(SCHEDULE_NAME, 'which schedule') };
export type ScheduleNameArguments = ArgumentValues<typeof scheduleName>;

const refused = {
  numbers: list(
    integerKind({ min: 1, max: Number.MAX_SAFE_INTEGER, example: 7 }),
    'the numbers of refused reports',
  ),
  all: flag('all that were refused'),
};
export type RefusedArguments = ArgumentValues<typeof refused>;

const trust = { name: required(textKind('the name of a peer'), 'whose new identity is right') };
export type TrustArguments = ArgumentValues<typeof trust>;

const server = {
  address: required(textKind('HOST:PORT such as 192.0.2.7:10901'), 'where the ip-server is now'),
};
export type ServerArguments = ArgumentValues<typeof server>;

const leave = { yes: flag('do not ask', { alias: 'y' }) };
export type LeaveArguments = ArgumentValues<typeof leave>;

export const commands: readonly Command[] = [
  defineCommand({
    usage: 'join [link]',
    describe: 'enrol this machine with a link from `ip-server invite`',
    args: join,
    examples: ['join -', 'join - --name cam-3 < invite.txt'],
    load: () => import('./join.ts'),
  }),
  defineCommand({
    usage: 'start',
    describe: 'run the peer: report in, receive files and messages (in the foreground)',
    args: start,
    examples: ['start', 'start --listen 0.0.0.0:10902 --inbox ~/Incoming'],
    outlivesOutput: true,
    load: () => import('./start.ts'),
  }),
  defineCommand({
    usage: 'status',
    describe: 'show who this machine is and how it is connected',
    args: none,
    load: () => import('./status.ts'),
  }),
  defineCommand({
    usage: 'peers',
    describe: 'show who is there, and when the others were last seen',
    args: peers,
    examples: ['peers', 'peers --watch', 'peers --json | jq'],
    load: () => import('./peers.ts'),
  }),
  defineCommand({
    usage: 'send <paths..>',
    describe: 'send files and folders, straight from machine to machine, with a receipt for each',
    args: send,
    examples: [
      'send build.zip --to bob',
      'send a.mov b.mov --to bob,carol',
      'send project --to bob --exclude node_modules',
      'send log.txt --to @lab --note "last night"',
      'send - --as x.tar --to bob',
    ],
    load: () => import('./send.ts'),
  }),
  defineCommand({
    usage: 'get <source> [dest]',
    describe: "fetch a file or a folder from a peer's share",
    args: get,
    examples: [
      'get bob:docs/plan.pdf',
      'get bob:docs ~/from-bob',
      'get bob:builds --exclude "*.tmp"',
      'get bob:docs/all.tar - | tar x',
    ],
    load: () => import('./get.ts'),
  }),
  defineCommand({
    usage: 'ls <source>',
    describe: "show a peer's shares, or what lies in one",
    args: ls,
    examples: ['ls bob', 'ls bob:docs/2026'],
    load: () => import('./ls.ts'),
  }),
  defineCommand({
    usage: 'share add <folder>',
    describe: 'offer a folder to the other members, to look into and to fetch from',
    args: shareAdd,
    examples: ['share add ~/builds', 'share add /srv/scans --as scans --group lab'],
    load: () => import('./share-add.ts'),
  }),
  defineCommand({
    usage: 'share list',
    describe: 'show what this machine offers, and to whom',
    args: none,
    load: () => import('./share-list.ts'),
  }),
  defineCommand({
    usage: 'share remove <name>',
    describe: 'offer a folder no more',
    args: shareRemove,
    load: () => import('./share-remove.ts'),
  }),
  defineCommand({
    usage: 'watch add <folder>',
    describe: 'ship what is new or changed in a folder, from now on, never half a file',
    args: watchAdd,
    examples: [
      'watch add ~/scans --to bob',
      'watch add /srv/results --to @lab --exclude "*.log"',
      'watch add ~/outbox --to bob,carol --delete-after',
    ],
    load: () => import('./watch-add.ts'),
  }),
  defineCommand({
    usage: 'watch list',
    describe: 'show which folders are watched, for whom, and how that goes',
    args: none,
    load: () => import('./watch-list.ts'),
  }),
  defineCommand({
    usage: 'watch remove <which>',
    describe: 'watch a folder no more; what is on its way goes on',
    args: watchRemove,
    examples: ['watch remove scans'],
    load: () => import('./watch-remove.ts'),
  }),
  defineCommand({
    usage: 'transfers',
    describe: 'show what is sent and received now, and what waits',
    args: transfers,
    examples: ['transfers', 'transfers --watch'],
    load: () => import('./transfers.ts'),
  }),
  defineCommand({
    usage: 'retry <job>',
    describe: 'repeat what failed of a job, for those recipients alone',
    args: job,
    examples: ['retry k3q9'],
    load: () => import('./retry.ts'),
  }),
  defineCommand({
    usage: 'cancel <job>',
    describe: 'end a job that runs or waits',
    args: job,
    load: () => import('./cancel.ts'),
  }),
  defineCommand({
    usage: 'history [job]',
    describe: 'show what was sent, to whom, and what they signed for',
    args: history,
    examples: [
      'history --since 7d',
      'history k3q9',
      'history k3q9 --export b3sum > sums && b3sum --check sums',
    ],
    load: () => import('./history.ts'),
  }),
  defineCommand({
    usage: 'verify <job>',
    describe: 'check the signatures of a job, and whether its recipients still have the files',
    args: verify,
    examples: ['verify k3q9', 'verify k3q9 --ask'],
    load: () => import('./verify.ts'),
  }),
  defineCommand({
    usage: 'message <target> <text>',
    describe: 'say something to a peer or a group',
    args: message,
    examples: ['message bob "lunch?"', 'message @lab "reboot at five"'],
    load: () => import('./message.ts'),
  }),
  defineCommand({
    usage: 'broadcast <text>',
    describe: 'say something to everyone',
    args: broadcast,
    examples: ['broadcast "the build is out"'],
    load: () => import('./broadcast.ts'),
  }),
  defineCommand({
    usage: 'messages',
    describe: 'show what was said to this machine',
    args: none,
    load: () => import('./messages.ts'),
  }),
  defineCommand({
    usage: 'inbox',
    describe: 'show what files came, and from whom, and what waits for an answer',
    args: none,
    load: () => import('./inbox.ts'),
  }),
  defineCommand({
    usage: 'inbox accept [ids..]',
    describe: 'take files that were offered (start --accept ask)',
    args: offers,
    examples: ['inbox accept 3f2a', 'inbox accept --from bob', 'inbox accept --all'],
    load: () => import('./inbox-accept.ts'),
  }),
  defineCommand({
    usage: 'inbox decline [ids..]',
    describe: 'refuse files that were offered',
    args: inboxDecline,
    examples: ['inbox decline 3f2a --reason "not today"'],
    load: () => import('./inbox-decline.ts'),
  }),
  defineCommand({
    usage: 'report [values..]',
    describe: 'report values to the ip-server; kept on disk until it has them',
    args: report,
    examples: [
      'report temperature=21.5 state=ok',
      'report --title "nightly build" result=green',
      'report result=red --attach build.log --attach trace.json',
    ],
    load: () => import('./report.ts'),
  }),
  defineCommand({
    usage: 'report schedule add <name> [-- command..]',
    describe: 'report again and again: a command, files, values',
    args: scheduleAdd,
    examples: [
      'report schedule add disk --every 10m -- df -h',
      "report schedule add backup --cron '0 18 * * 1-5' --timeout 30m --expect always -- /usr/local/bin/backup",
      "report schedule add logs --every day@06:00 --attach '/var/log/app/*.log'",
      "report schedule add temp --every 1h --shell -- 'sensors | grep Core'",
    ],
    load: () => import('./schedule-add.ts'),
  }),
  defineCommand({
    usage: 'report schedule list',
    describe: 'show what this machine reports by itself, and when',
    args: none,
    load: () => import('./schedule-list.ts'),
  }),
  defineCommand({
    usage: 'report schedule run <name>',
    describe: 'make the report of a schedule now, beside those that are due',
    args: scheduleName,
    load: () => import('./schedule-run.ts'),
  }),
  defineCommand({
    usage: 'report schedule remove <name>',
    describe: 'report it no more',
    args: scheduleName,
    load: () => import('./schedule-remove.ts'),
  }),
  defineCommand({
    usage: 'report spool',
    describe: 'show which reports wait for the ip-server, and which it refused',
    args: none,
    examples: ['report spool', 'report spool --json'],
    load: () => import('./report-spool.ts'),
  }),
  defineCommand({
    usage: 'report spool retry [numbers..]',
    describe: 'send refused reports once more',
    args: refused,
    examples: ['report spool retry 7', 'report spool retry --all'],
    load: () => import('./report-spool-retry.ts'),
  }),
  defineCommand({
    usage: 'report spool drop [numbers..]',
    describe: 'throw refused reports away',
    args: refused,
    examples: ['report spool drop 7'],
    load: () => import('./report-spool-drop.ts'),
  }),
  defineCommand({
    usage: 'shell',
    describe: 'work with the live peer line by line: connections, files, messages, and what arrives',
    args: none,
    load: () => import('./shell.ts'),
  }),
  defineCommand({
    usage: 'trust <name>',
    describe: 'accept that a name belongs to another identity now',
    args: trust,
    load: () => import('./trust.ts'),
  }),
  defineCommand({
    usage: 'server <address>',
    describe: 'point this machine to where the ip-server has moved',
    args: server,
    examples: ['server 192.0.2.7:10901'],
    load: () => import('./server.ts'),
  }),
  defineCommand({
    usage: 'leave',
    describe: 'end the membership of this machine',
    args: leave,
    load: () => import('./leave.ts'),
  }),
];
