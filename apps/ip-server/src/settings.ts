import { isIP } from 'node:net';
import { formatHostPort, MAX_HEARTBEAT_MS, MIN_HEARTBEAT_MS, parseHostPort } from '@filer/protocol';
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
  PORT,
  RATE,
  setting,
  SIZE,
  textKind,
  toggleSetting,
  type Kind,
  type Setting,
  type SettingValues,
} from '@filer/program';
import { parseStoreAddress } from './store-address.ts';

/** The shortest broadcast interval: below it the timer only burns time. */
const MIN_BROADCAST_MS = 100;

function durationFrom(minMs: number, maxMs: number, expects: string): Kind<number> {
  return customKind(expects, (text) => {
    const ms = DURATION.parse(text);
    if (ms < minMs || ms > maxMs) throw new RangeError('out of bounds');
    return ms;
  });
}

const ADDRESS = customKind('HOST:PORT such as server.example:10901', (text) => {
  const address = parseHostPort(text);
  if (address.port === 0) throw new RangeError('port 0 is not a dialable address');
  return formatHostPort(address);
});

const HTTP_PORT: Kind<number | 'off'> = {
  ...PORT,
  expects: 'a port from 0 to 65535, or off',
  value: 'port|off',
  parse: (text) => (text === 'off' ? 'off' : PORT.parse(text)),
};

/** Of what is free; `none` is no limit. */
const COLLECT_SIZE: Kind<number | 'half' | 'none'> = customKind(
  'a size such as 100GiB, half (of what is free) or none',
  (text) => (text === 'half' || text === 'none' ? text : SIZE.parse(text)),
  { value: 'size|half|none' },
);

const HTTP_NAME = customKind(
  'a host name or an address such as ops.example',
  (text) => {
    const name = text.replace(/^\[(.*)\]$/, '$1');
    return parseHostPort(`${name.includes(':') ? `[${name}]` : name}:1`).host.toLowerCase();
  },
  { value: 'name' },
);

const IP_ADDRESS = customKind(
  'the address of a proxy such as 10.0.0.5',
  (text) => {
    if (isIP(text) === 0) throw new RangeError('not an address');
    return text.toLowerCase();
  },
  { value: 'address' },
);

const WEBHOOK = customKind(
  'an http or https address such as https://ops.example/hooks/filer',
  (text) => {
    const url = new URL(text);
    // A password in an address ends in logs and lists of processes.
    if (!/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
      throw new RangeError('not such an address');
    return url.href;
  },
  { value: 'url', isSecret: true },
);

const STORE = customKind(
  'postgres://USER@HOST/DATABASE without a password (that is in the file that PGPASSFILE or store-password-file names), or sqlite',
  parseStoreAddress,
  { value: 'url', isSecret: true },
);

/** Everything that can be set: as a flag of `start`, as `IP_SERVER_…`, in the configuration file. */
export const SETTINGS = {
  host: setting(
    textKind('an address of this machine such as :: or 127.0.0.1', { value: 'host' }),
    '::',
    'address to listen on',
  ),
  port: setting(PORT, '10901', 'port to listen on, 0 for any that is free'),
  httpHost: setting(
    textKind('an address of this machine such as :: or 127.0.0.1', { value: 'host' }),
    '127.0.0.1',
    'address of the dashboard and the API',
  ),
  httpPort: {
    ...setting(HTTP_PORT, '10980', 'port of the dashboard and the API; 0 for any free port, off for none'),
    fallback: undefined,
  } satisfies Setting<number | 'off' | undefined>,
  httpName: listSetting(HTTP_NAME, 'ops.example', 'name by which browsers call this server'),
  httpCert: optionalSetting(
    textKind('a file', { completes: 'file' }),
    '/etc/ip-server/http-cert.pem',
    'certificate for the dashboard (default: a self-signed one, if other machines can reach it)',
  ),
  httpKey: optionalSetting(
    textKind('a file', { completes: 'file' }),
    '/etc/ip-server/http-key.pem',
    'key of that certificate',
  ),
  httpProxy: listSetting(
    IP_ADDRESS,
    '127.0.0.1',
    'address of a TLS proxy in front of the dashboard; its X-Forwarded-For is trusted',
  ),
  advertise: listSetting(
    ADDRESS,
    'server.example:10901',
    'HOST:PORT in invites (default: the addresses that are found)',
  ),
  advertiseLan: toggleSetting(
    false,
    'let `filer-client join --discover` find this server on the local network (DNS-SD); anyone there learns its name, id and addresses',
  ),
  broadcastIntervalMs: setting(
    durationFrom(MIN_BROADCAST_MS, MAX_HEARTBEAT_MS, 'a duration from 100ms to 1h such as 5s'),
    '5s',
    'how often changes of the directory are broadcast',
  ),
  reportIntervalMs: setting(
    durationFrom(MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS, 'a duration from 500ms to 1h such as 10s'),
    '10s',
    'how often machines send a heartbeat',
  ),
  relay: toggleSetting(true, 'relay between machines that cannot reach each other'),
  relayLimit: setting(RATE, '64MiB/s', 'limit of the rate of relayed data, for each machine'),
  relayQuota: setting(SIZE, '256GiB', 'limit of relayed data a day, for each machine'),
  networkKey: optionalSetting(
    textKind('a file', { completes: 'file' }),
    '/media/safe/network-key.pem',
    'file with the network key, if it is not in the home',
  ),
  store: optionalSetting(
    STORE,
    'postgres://filer@db.example/filer',
    'database that holds what the server stores, instead of the embedded one (sqlite); the home remembers it',
  ),
  files: optionalSetting(
    textKind('a folder such as /srv/filer, or home', { value: 'folder|home', completes: 'folder' }),
    '/srv/filer',
    'folder that all servers of a PostgreSQL database share for attachments and collected files; they all remember it, and home keeps files in the homes again',
  ),
  storePasswordFile: optionalSetting(
    textKind('a file', { completes: 'file' }),
    '/etc/ip-server/database-password',
    'file with the password of the database, if no PGPASSFILE has it',
  ),
  reportRetentionMs: setting(DURATION, '30d', 'how long reports are kept'),
  reportSpaceBytes: setting(
    SIZE,
    '1GiB',
    'limit of the space of reports; the oldest of the machine with most are dropped first',
  ),
  keepFree: setting(SIZE, '16MiB', 'space that stays free on the disks of files and reports of machines'),
  collectMaxFileSize: optionalSetting(SIZE, '10GiB', 'limit of the size of a file of a collect'),
  collectMaxFiles: optionalSetting(
    integerKind({ min: 1, max: 1_000_000_000, example: 100_000 }),
    '100000',
    'limit of the number of files that a collect takes from one machine in one run',
  ),
  collectMaxSize: setting(
    COLLECT_SIZE,
    'half',
    'limit of the size of all files that a collect takes from one machine in one run; half: at most as much as stays free on the disk',
  ),
  attachmentSpaceBytes: setting(
    SIZE,
    '10GiB',
    'limit of the space of attachments; the oldest of the machine with most are dropped first',
  ),
  settleMs: setting(
    DURATION,
    '2m',
    'time after a start in which machines can come back before their reports are late or missing',
  ),
  onAlarm: commandSetting(
    ['/usr/local/bin/tell-ops', '--quietly'],
    'a program to run when reports of a machine are missing, and when they come again; set arguments in the configuration file',
  ),
  onAlarmTimeoutMs: setting(LASTING, '1m', 'how long that program may take'),
  webhook: optionalSetting(
    WEBHOOK,
    'https://ops.example/hooks/filer',
    'address to post to when reports of a machine are missing, and when they come again',
  ),
  webhookSecretFile: optionalSetting(
    textKind('a file', { completes: 'file' }),
    '/etc/ip-server/webhook-secret',
    'file with the secret that signs what is posted, if it is not webhook-secret in the home',
  ),
  backup: optionalSetting(
    textKind('a file or folder', { completes: 'file' }),
    '/var/backups/ip-server',
    'where the backups of this server are: `doctor` looks at their age',
  ),
  backupMaxAgeMs: setting(DURATION, '7d', 'age from which the newest backup is too old for `doctor`'),
  logLevel: setting(choiceKind(LOG_LEVELS), 'info', 'least important level that is logged'),
  logFormat: setting(choiceKind(LOG_FORMATS), 'text', 'text for people, json for programs'),
};

export type ServerSettings = SettingValues<typeof SETTINGS>;
