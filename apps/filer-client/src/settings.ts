import { parseHostPort } from '@filer/protocol';
import {
  choiceKind,
  commandSetting,
  customKind,
  DURATION,
  integerKind,
  listSetting,
  LOG_FORMATS,
  LOG_LEVELS,
  optionalSetting,
  setting,
  SIZE,
  textKind,
  toggleSetting,
  type SettingValues,
} from '@filer/program';
import { INBOX_PATTERN } from './inbox-pattern.ts';

const HOST_PORT = customKind('HOST:PORT such as 0.0.0.0:10902 or [::]:10902', parseHostPort);

/** What a flag of `start`, a FILER_ variable or the configuration file can set. */
export const clientSettings = {
  listen: optionalSetting(
    HOST_PORT,
    '[::]:10902',
    'where other peers connect (default: [::]:10902, a free port if that is taken)',
  ),
  advertise: listSetting(
    HOST_PORT,
    '192.0.2.7:10902',
    'where other peers should dial this machine, if not its own addresses',
  ),
  inbox: optionalSetting(textKind('a folder'), '/srv/inbox', 'where received files go'),
  accept: setting(
    choiceKind(['members', 'ask', 'none']),
    'members',
    'whose files to take: those of members, what a person accepts with `inbox accept` (ask), or none',
  ),
  inboxQuota: optionalSetting(SIZE, '50GB', 'most that may lie in the inbox; what does not fit is refused'),
  maxFileSize: optionalSetting(SIZE, '20GB', 'the largest file to take'),
  maxFiles: optionalSetting(
    integerKind({ min: 1, max: 1_000_000_000, example: 10_000 }),
    '10000',
    'the most files to take in one transfer',
  ),
  keepFree: setting(
    SIZE,
    '16MiB',
    'what stays free on the disks of the inbox and of the home, whatever comes',
  ),
  inboxPattern: setting(
    INBOX_PATTERN,
    '{peer}',
    'where in the inbox the files of a sender go: {peer}, {peer}/{date}, …',
  ),
  onReceived: commandSetting(
    ['/usr/local/bin/files-came', '--quietly'],
    'a program to run for each transfer that came; arguments go into the configuration file',
  ),
  onReceivedTimeoutMs: setting(DURATION, '10m', 'how long that program may take'),
  historyKeepMs: setting(DURATION, '365d', 'how long jobs and their receipts are kept after their end'),
  messageSpace: setting(
    SIZE,
    '64MiB',
    'how much room messages may take; the oldest of the machine that has most there give way, one machine has a quarter',
  ),
  keepMessagesMs: optionalSetting(
    DURATION,
    '90d',
    'how long messages are kept (default: as long as they have room); see messages --keep',
  ),
  attachmentSpace: setting(
    SIZE,
    '1GiB',
    'how much room the attachments of reports may take until the ip-server has them',
  ),
  sync: toggleSetting(true, 'sync files to the disk before they count as delivered'),
  logLevel: setting(choiceKind(LOG_LEVELS), 'info', 'how much to log'),
  logFormat: setting(choiceKind(LOG_FORMATS), 'text', 'how to log'),
};

export type ClientSettings = SettingValues<typeof clientSettings>;

/** The port for peers unless told otherwise. */
export const DEFAULT_PEER_PORT = 10_902;
