import { execFile } from 'node:child_process';
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, systemCode } from '@filer/protocol';
import {
  checkDescriptors,
  checkDisk,
  checkIdentity,
  counted,
  failed,
  failedBy,
  formatAgo,
  formatDuration,
  ok,
  shellWord,
  skipped,
  warning,
  type Check,
  type Home,
} from '@filer/program';
import type { ServerEntryDocument, StatusDocument } from '../api/contract/server.ts';
import type { ServerSettings } from '../settings.ts';
import { checkStore, isAddress, type StorePlace } from '../store/store.ts';

/** Connections of a machine: its session, one of a command, a transfer. Of the server's own: files, the dashboard. */
const DESCRIPTORS_PER_MEMBER = 3;
const OWN_DESCRIPTORS = 256;

const DAY_MS = 86_400_000;

/** A certificate is renewed by then. */
const CERTIFICATE_WARNING_DAYS = 14;

/** Clocks of a server and its database. */
const CLOCK_FAILURE_MS = 60_000;

const COMMAND_MS = 3_000;

/** Whether it runs, and what it says of itself. @param listing how the list of servers has it */
export function checkRunning(
  status: StatusDocument,
  listing: ServerEntryDocument['state'] | undefined,
): Check {
  const { id, running, uptimeMs, pid, version, members, online, storeProblem } = status;
  const facts = { running, pid, version, members, online };
  if (!running)
    return failed(
      'server',
      'it does not run: machines cannot reach it',
      '`ip-server start`, or `ip-server service install` to start it with the machine',
      facts,
    );
  if (storeProblem !== null)
    return failed(
      'server',
      `its store fails: ${storeProblem}`,
      'the checks of the disk and the database below say what to do',
      facts,
    );
  const add = `\`ip-server servers add ${id.slice(0, 12)}\``;
  if (listing === 'waiting')
    return failed(
      'server',
      'it waits to be admitted: no machine connects to it before',
      `${add} at a server that is listed, where the network key is`,
      facts,
    );
  if (listing === 'removed')
    return failed(
      'server',
      'it was removed from the servers of its network: it serves no machine',
      `\`ip-server stop\`; to have it back, ${add} at a server that is listed`,
      facts,
    );
  return ok(
    'server',
    `runs for ${formatDuration(uptimeMs ?? 0)}, pid ${pid}, version ${version}, ${counted(members, 'machine')}, ${online} online`,
    facts,
  );
}

/** The files of the home, and its disk. @param isNew whether no server has run there */
export async function* checkFiles(
  home: Home,
  { keepFree }: Pick<ServerSettings, 'keepFree'>,
  id: string | undefined,
  isNew: boolean,
): AsyncGenerator<Check, void, void> {
  if (isNew) {
    const facts = { folder: home.identityFolder };
    yield failed('identity', 'no network has been made here', '`ip-server start` makes one', facts);
    yield skipped('network-key', 'there is no network yet');
  } else {
    yield await checkIdentity(home.identityFolder, id);
    yield checkNetworkKey(home);
  }
  const folder = dirname(home.databaseFile);
  yield await checkDisk({
    check: 'disk',
    folder,
    keepFreeBytes: keepFree,
    remedy: `make it writable for this user (\`ls -ld ${shellWord(folder)}\`, \`findmnt -T ${shellWord(folder)}\`)`,
  });
}

function checkNetworkKey({ networkKeyFile }: Home): Check {
  try {
    const { mode } = lstatSync(networkKeyFile);
    const facts = { networkKey: 'here' };
    if ((mode & 0o077) === 0)
      return ok(
        'network-key',
        'here: who controls this server can admit machines; `ip-server network-key export FILE --remove` takes it away',
        facts,
      );
    return warning(
      'network-key',
      `others than this user can read ${networkKeyFile}`,
      `chmod 600 ${shellWord(networkKeyFile)}`,
      facts,
    );
  } catch (error) {
    if (systemCode(error) !== 'ENOENT')
      return failed('network-key', messageOf(error), 'give this user the home');
    return ok('network-key', 'exported: invites and removals need --network-key FILE', {
      networkKey: 'exported',
    });
  }
}

/** Looks through the database: an embedded one whole, while a server may use it; PostgreSQL by a question. */
export async function checkDatabase(place: StorePlace): Promise<Check> {
  try {
    const { engine, problems, ms, aheadMs } = await checkStore(place);
    const facts = { engine, ms, problems: problems.length };
    const [first] = problems;
    if (first !== undefined)
      return failed(
        'database',
        `it is damaged: ${first}${problems.length > 1 ? `, and ${problems.length - 1} more` : ''}`,
        'stop the server and restore a backup (docs/operations/backup.md); look at the disk: `dmesg`, `smartctl -a DEVICE`',
        facts,
      );
    if (aheadMs !== undefined && Math.abs(aheadMs) > CLOCK_FAILURE_MS)
      return failed(
        'database',
        `its clock is ${formatDuration(Math.abs(aheadMs))} ${aheadMs > 0 ? 'ahead of' : 'behind'} the one of this machine`,
        'set the clock of the one that is wrong: `sudo timedatectl set-ntp true`',
        { ...facts, aheadMs },
      );
    return ok(
      'database',
      engine === 'sqlite' ? `whole, looked through in ${ms} ms` : `${engine} answers in ${ms} ms`,
      facts,
    );
  } catch (error) {
    return failedBy('database', error, databaseRemedy(place));
  }
}

function databaseRemedy({ place }: StorePlace): string {
  return isAddress(place)
    ? `look whether it runs and lets this server in: \`psql ${shellWord(place)} -c 'select 1'\``
    : 'stop the server and restore a backup (docs/operations/backup.md)';
}

/** How old the newest backup is. @param now ms since the epoch */
export function checkBackup(
  { backup, backupMaxAgeMs }: Pick<ServerSettings, 'backup' | 'backupMaxAgeMs'>,
  now: number,
): Check {
  if (backup === undefined)
    return warning(
      'backup',
      'the place of backups is not set, so their age is not checked',
      'make some (docs/operations/backup.md), and name the file or folder as `backup =` in config.toml',
    );
  try {
    const newest = newestOf(backup);
    if (newest === undefined)
      return failed('backup', `${backup} is empty: there is no backup`, 'see docs/operations/backup.md', {
        backup,
      });
    const facts = { backup, newestAt: new Date(newest).toISOString(), ageMs: Math.round(now - newest) };
    const words = `the newest in ${backup} was made ${formatAgo(newest, now)}`;
    if (now - newest <= backupMaxAgeMs) return ok('backup', words, facts);
    return failed(
      'backup',
      `${words}: older than ${formatDuration(backupMaxAgeMs)} (backup-max-age)`,
      'look at what makes the backups, such as `systemctl status` of its timer, and its log',
      facts,
    );
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return failed(
      'backup',
      `${backup} cannot be read: ${messageOf(error)}`,
      'correct `backup =` in config.toml',
      { backup },
    );
  }
}

function newestOf(place: string): number | undefined {
  const stat = statSync(place);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const times = readdirSync(place).flatMap((name) => {
    const entry = lstatSync(join(place, name));
    return entry.isFile() || entry.isDirectory() ? [entry.mtimeMs] : [];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}

/** The certificate of the dashboard. @param now ms since the epoch */
export function checkCertificate(certificate: StatusDocument['certificate'], now: number): Check {
  if (certificate === null)
    return skipped(
      'certificate',
      'the dashboard is served without TLS, to this machine or a proxy, or not at all',
    );
  const days = Math.floor((Date.parse(certificate.endsAt) - now) / DAY_MS);
  const facts = { endsAt: certificate.endsAt, daysLeft: days };
  const renew = 'renew the files of http-cert and http-key; a running server reads them again by itself';
  if (days < 0)
    return failed(
      'certificate',
      `it ended on ${certificate.endsAt.slice(0, 10)}: browsers refuse it`,
      renew,
      facts,
    );
  if (days < CERTIFICATE_WARNING_DAYS || certificate.problem !== null)
    return warning('certificate', certificate.problem ?? `${counted(days, 'day')} left`, renew, facts);
  return ok('certificate', `${counted(days, 'day')} left`, facts);
}

/** Whether something sets the clock: whether it is right, no machine can tell alone. */
export async function checkServerClock(): Promise<Check> {
  try {
    const args = ['show', '-p', 'NTPSynchronized', '--value'];
    const { stdout } = await promisify(execFile)('timedatectl', args, { timeout: COMMAND_MS });
    if (stdout.trim() === 'yes') return ok('clock', 'it is synchronized', { synchronized: true });
    return warning('clock', 'nothing synchronizes it', '`sudo timedatectl set-ntp true`', {
      synchronized: false,
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return skipped(
      'clock',
      'this system does not say whether it is synchronized; machines compare it: `filer-client doctor`',
    );
  }
}

/** Who is told that reports are missing. */
export function checkAlarms({ alarms }: StatusDocument): Check | undefined {
  if (alarms.problem === null) return undefined;
  return warning(
    'alarms',
    `the last one was not delivered: ${alarms.problem}`,
    '`ip-server alarms`, `ip-server alarms test`',
  );
}

/** @param pid of the running server; null for this process */
export function checkOpenFiles({ members, connections, pid }: StatusDocument): Check {
  const needed = OWN_DESCRIPTORS + DESCRIPTORS_PER_MEMBER * Math.max(members, connections);
  return checkDescriptors(needed, pid === null ? {} : { pid });
}
