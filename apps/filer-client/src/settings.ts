import { parseHostPort } from '@filer/protocol';
import {
  choiceKind,
  commandSetting,
  customKind,
  DURATION,
  integerKind,
  LASTING,
  listSetting,
  LOG_FORMATS,
  LOG_LEVELS,
  optionalSetting,
  RATE,
  setting,
  SIZE,
  textKind,
  toggleSetting,
  type SettingValues,
} from '@filer/program';
import { INBOX_PATTERN } from './inbox-pattern.ts';
import { RATE_WINDOW } from './rate-windows.ts';

const HOST_PORT = customKind('HOST:PORT such as 0.0.0.0:10902 or [::]:10902', parseHostPort);

/** @throws Error for what is no port */
function parseHttpPort(text: string): number | 'off' {
  if (text === 'off') return text;
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) throw new Error('no port');
  return Number(text);
}

const HTTP_PORT = customKind('a port such as 10983, or off', parseHttpPort);

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
    'address at which other peers dial this machine (default: its own addresses)',
  ),
  inbox: optionalSetting(
    textKind('a folder', { completes: 'folder' }),
    '/srv/inbox',
    'folder for received files',
  ),
  accept: setting(
    choiceKind(['members', 'ask', 'none']),
    'members',
    'which files to take: from all members, only what a person accepts with `inbox accept` (ask), or none',
  ),
  allowMirror: toggleSetting(
    true,
    'let a sender remove files that it delivered here and that are unchanged (`send --delete`)',
  ),
  allowRelease: toggleSetting(
    true,
    'let a sender stage files here, and release or roll back what it staged (`send --stage`)',
  ),
  stagedKeepMs: setting(DURATION, '30d', 'how long to keep staged files that are not released'),
  stagedLinks: toggleSetting(
    false,
    'stage unchanged files as hard links where the disk cannot clone; only if no program edits released files in place',
  ),
  inboxQuota: optionalSetting(
    SIZE,
    '50GB',
    'limit of the total size of the inbox; files that do not fit are refused',
  ),
  maxFileSize: optionalSetting(SIZE, '20GB', 'limit of the size of a received file'),
  maxFiles: optionalSetting(
    integerKind({ min: 1, max: 1_000_000_000, example: 10_000 }),
    '10000',
    'limit of the number of files in one transfer',
  ),
  keepFree: setting(SIZE, '16MiB', 'space that always stays free on the disks of the inbox and of the home'),
  inboxPattern: setting(
    INBOX_PATTERN,
    '{peer}',
    'folder in the inbox for the files of a sender: {peer}, {peer}/{date}, …',
  ),
  onReceived: commandSetting(
    ['/usr/local/bin/files-came', '--quietly'],
    'a program to run for each received transfer; set arguments in the configuration file',
  ),
  onReceivedTimeoutMs: setting(LASTING, '10m', 'how long that program may take'),
  historyKeepMs: setting(DURATION, '365d', 'how long jobs and their receipts are kept after their end'),
  messageSpace: setting(
    SIZE,
    '64MiB',
    'limit of the space of messages; the oldest of the machine with most are dropped, one machine has at most a quarter',
  ),
  keepMessagesMs: optionalSetting(
    DURATION,
    '90d',
    'how long messages are kept (default: as long as there is space); see messages --keep',
  ),
  attachmentSpace: setting(
    SIZE,
    '1GiB',
    'limit of the space of attachments of reports that wait for the ip-server',
  ),
  limit: listSetting(
    RATE_WINDOW,
    '20MB/s 08:00-18:00',
    'limit the total rate of all files that this machine sends, always or at certain hours',
  ),
  receiveLimit: listSetting(
    RATE_WINDOW,
    '50MB/s',
    'limit the total rate of all files that this machine receives and fetches, always or at certain hours',
  ),
  httpPort: optionalSetting(
    HTTP_PORT,
    '10983',
    'port on 127.0.0.1 for the page of this machine, served from the start; off forbids the page (default: a free port, once `open` asks)',
  ),
  sync: toggleSetting(true, 'sync files to the disk before they count as delivered'),
  passOn: toggleSetting(true, 'pass received files on to other recipients of the same job'),
  relay: toggleSetting(
    false,
    'relay connections of members that cannot reach each other, while the ip-server can reach this machine',
  ),
  relayLimit: setting(RATE, '64MiB/s', 'limit of the rate of relayed data, for each machine'),
  relayQuota: setting(SIZE, '256GiB', 'limit of relayed data a day, for each machine'),
  measure: toggleSetting(
    true,
    'let members measure how fast data goes to this machine and back (`doctor PEER`)',
  ),
  logLevel: setting(choiceKind(LOG_LEVELS), 'info', 'how much to log'),
  logFormat: setting(choiceKind(LOG_FORMATS), 'text', 'how to log'),
};

export type ClientSettings = SettingValues<typeof clientSettings>;

/** The port for peers unless told otherwise. */
export const DEFAULT_PEER_PORT = 10_902;
