import {
  Glob,
  isGroupName,
  isMachineName,
  isName,
  isPeerId,
  MAX_INVITE_USES,
  RESERVED_WORDS,
} from '@filer/protocol';
import {
  ANY_TEXT,
  choiceKind,
  CRON,
  customKind,
  defaulted,
  DURATION,
  EVERY,
  flag,
  integerKind,
  list,
  MOMENT,
  optional,
  progressArgument,
  required,
  settingArguments,
  textKind,
} from '@filer/program';
import { SETTINGS } from '../settings.ts';

const NAME = customKind('a name of a-z, 0-9 and inner hyphens such as lab-2', (text) => {
  if (!isName(text)) throw new RangeError('not a name');
  return text;
});

const MACHINE_NAME = customKind(
  `a name of a-z, 0-9 and inner hyphens such as lab-2 (${RESERVED_WORDS} are reserved)`,
  (text) => {
    if (!isMachineName(text)) throw new RangeError('not the name of a machine');
    return text;
  },
);

const GROUP = customKind(
  'a name of a-z, 0-9 and inner hyphens such as lab-2 (all is reserved)',
  (text) => {
    if (!isGroupName(text)) throw new RangeError('not the name of a group');
    return text;
  },
  { value: 'group', completes: 'group' },
);

const PEER = textKind('the name or id of a machine', { value: 'peer', completes: 'peer' });

const networkKey = optional(
  textKind('a file', { completes: 'file' }),
  'file with the network key, if it is not in the home',
);

export const startArguments = {
  ...settingArguments(SETTINGS),
  join: flag("have this machine's own filer-client join as well (a new network asks on a terminal)"),
  noJoin: flag('do not ask about the filer-client of this machine'),
};

export const inviteArguments = {
  group: list(GROUP, 'group that joining machines belong to', { commas: true }),
  expiresMs: defaulted(DURATION, '7d', 'how long the link is valid'),
  uses: defaulted(
    integerKind({ min: 1, max: MAX_INVITE_USES, example: 20 }),
    '1',
    'how many machines may join with it',
  ),
  qr: flag('show the link as a QR code, too'),
  list: flag('list the invites instead'),
  revoke: optional(
    textKind('the id of an invite', { value: 'id', completes: 'invite' }),
    'revoke an invite instead',
  ),
  withMembers: flag('with --revoke: also remove the machines that joined with it'),
  networkKey,
};

export const exportArguments = {
  file: required(textKind('a new file', { completes: 'file' }), 'path of the copy'),
  remove: flag('remove the key from this server afterwards'),
};

export const peersArguments = {
  all: flag('include machines that left or were removed'),
  watch: flag('keep running, and show every change'),
};

export const alarmTestArguments = {
  hook: flag('only run the program that on-alarm names'),
  webhook: flag('only post to the webhook'),
};

/** As other commands write it, too: `@lab`. */
const GROUP_OF_REPORTS = customKind(
  'the name of a group such as lab',
  (text) => {
    const name = text.replace(/^@/, '');
    if (!isGroupName(name)) throw new RangeError('not the name of a group');
    return name;
  },
  { value: 'group', completes: 'group' },
);

export const alarmsArguments = {
  limit: defaulted(integerKind({ min: 1, max: 10_000, example: 100 }), '100', 'how many of the newest'),
};

export const reportsArguments = {
  peer: list(PEER, 'of this machine', { commas: true }),
  group: list(GROUP_OF_REPORTS, 'of the machines of this group', { commas: true }),
  since: optional(MOMENT, 'received at or after this'),
  until: optional(MOMENT, 'received before this'),
  title: optional(
    textKind("a title such as 'disk of nas', or a pattern such as 'disk*' in quotes"),
    'with this title; * stands for any text, ? for one character',
  ),
  schedule: optional(
    textKind('the name of a schedule', { value: 'name', completes: 'schedule' }),
    'made by this schedule',
  ),
  kind: optional(choiceKind(['user', 'schedule']), 'made by hand, or by schedules'),
  latest: flag('only the newest of each machine and schedule'),
  watch: flag('keep running, and show each report when it comes; older ones with --since only'),
  csv: flag('as comma-separated values, a row a report'),
  value: list(
    textKind('the key of a value such as free', { value: 'key' }),
    'with --csv: add a column for this value',
  ),
};

export const reportArguments = {
  id: required(textKind('the id of a report', { value: 'id', completes: 'report' }), 'which report'),
  out: optional(
    textKind('a folder', { completes: 'folder' }),
    'copy its files to this folder; existing files are not replaced',
  ),
  progress: progressArgument,
};

export const broadcastArguments = { text: required(ANY_TEXT, 'the text, in quotes') };

const SOURCE = customKind(
  '@group, @all, or the name of a machine, such as @lab',
  (text) => {
    if (text !== '@all' && !isName(text) && !isPeerId(text) && !isGroupName(text.replace(/^@/, '')))
      throw new RangeError('not a machine or a group');
    return text;
  },
  { value: 'target', completes: 'target' },
);

const PATTERN = customKind(
  "a pattern over SHARE/path/below such as 'results/**'",
  (text) => Glob.parse(text).text,
  { value: 'pattern' },
);

const COLLECT = textKind('the name of a collect such as results', { value: 'name', completes: 'collect' });

export const collectsArguments = { watch: flag('keep running, and show every change') };

export const collectAddArguments = {
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

export const collectShowArguments = {
  name: required(COLLECT, 'which collect'),
  run: optional(
    textKind('a run such as 2026-11-21', { completes: 'run' }),
    'this run instead of the last one',
  ),
  watch: flag('keep running, and show every change'),
};

export const collectArguments = { name: required(COLLECT, 'which collect') };

export const collectRunArguments = { ...collectArguments, progress: progressArgument };

export const removeArguments = { peer: required(PEER, 'which machine'), networkKey };

export const groupArguments = {
  peer: required(PEER, 'which machine'),
  group: required(GROUP, 'which group'),
  networkKey,
};

export const renameArguments = {
  peer: required(PEER, 'which machine'),
  name: required(MACHINE_NAME, 'its new name'),
  networkKey,
};
