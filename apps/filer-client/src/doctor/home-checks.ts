import { dirname, resolve } from 'node:path';
import {
  checkDescriptors,
  checkDisk,
  checkIdentity,
  checkInotify,
  counted,
  failed,
  failedBy,
  formatAgo,
  ok,
  shellWord,
  skipped,
  warning,
  type Check,
  type Facts,
  type Home,
} from '@filer/program';
import type { Member } from '../network/member.ts';
import type { ClientSettings } from '../settings.ts';
import { readMembershipFile } from '../store/membership-file.ts';

/** Connections and files of transfers that a machine must be able to have at once. */
const NEEDED_DESCRIPTORS = 1_024;

/** A report that waits for longer has a reason, in ms. */
const WAITS_LONG_MS = 600_000;

/**
 * What can be looked at without a daemon, a database or a network: files, disks and limits.
 *
 * @param watched folders that are watched here
 */
export async function* checkHome(
  home: Home,
  settings: Pick<ClientSettings, 'inbox' | 'keepFree'>,
  watched: number,
): AsyncGenerator<Check, void, void> {
  const keys = await checkKeys(home);
  yield keys;
  const keepFreeBytes = settings.keepFree;
  const folder = dirname(home.databaseFile);
  const otherwise = 'or set FILER_HOME to a folder that this user can write';
  yield await checkDisk({
    check: 'home',
    folder,
    keepFreeBytes,
    isMadeLater: keys.facts['code'] === 'not-joined',
    remedy: `make it writable for this user (\`ls -ld ${shellWord(folder)}\`, \`findmnt -T ${shellWord(folder)}\`), ${otherwise}`,
  });
  const inbox = resolve(settings.inbox ?? home.inbox);
  yield await checkDisk({
    check: 'inbox',
    folder: inbox,
    keepFreeBytes,
    isMadeLater: true,
    remedy: `make it writable for this user (\`ls -ld ${shellWord(inbox)}\`), or name another one: \`filer-client start --inbox DIR\``,
  });
  yield checkInotify(watched);
  yield checkDescriptors(NEEDED_DESCRIPTORS);
}

async function checkKeys({ identityFolder, membershipFile }: Home): Promise<Check> {
  try {
    const joined = await readMembershipFile(membershipFile);
    if (joined === undefined)
      return failed(
        'identity',
        'this machine is in no network',
        'get a link with `ip-server invite` on the server, then here: `filer-client join -`',
        { code: 'not-joined' },
      );
    return await checkIdentity(identityFolder, joined.membership.id);
  } catch (error) {
    return failedBy(
      'identity',
      error,
      'restore the home from a backup, or `filer-client join -` with a new invite',
    );
  }
}

/** Reports that wait here, those that were refused, and when the server took the last one. */
export function checkSpool({ spool }: Member, isConnected: boolean, now: number): Check {
  const [oldest] = spool.next(1);
  const { size, refusedSize, storedAt, problem } = spool;
  const facts: Facts = {
    waiting: size,
    refused: refusedSize,
    lastReportAt: storedAt === undefined ? null : new Date(storedAt).toISOString(),
    oldestAt: oldest === undefined ? null : new Date(oldest.time).toISOString(),
  };
  const last =
    storedAt === undefined
      ? 'none was reported yet'
      : `the last report was stored ${formatAgo(storedAt, now)}`;
  const words = `${counted(size, 'report')} waiting, ${last}`;
  if (refusedSize > 0)
    return warning(
      'spool',
      `${words}, ${refusedSize} refused by the ip-server`,
      '`filer-client report spool`',
      facts,
    );
  if (oldest === undefined || !isConnected) return ok('spool', words, facts);
  const why = problem === undefined ? '' : `: ${problem.message}`;
  if (now - oldest.time < WAITS_LONG_MS) return ok('spool', words, facts);
  return failed(
    'spool',
    `${words}, the oldest since ${formatAgo(oldest.time, now)}${why}`,
    '`filer-client report spool`; on the server: `ip-server doctor`',
    facts,
  );
}

/** Whether this machine is a member, as far as it knows. */
export function checkMembership({ ended, name, id, groups, network }: Member): Check {
  const facts = { name, id, network, groups: groups.join(' ') };
  if (ended === null) return ok('membership', `${name} in the network ${network.slice(0, 12)}…`, facts);
  return failed(
    'membership',
    `this machine was ${name} and ${ended === 'left' ? 'has left' : 'was removed from'} the network`,
    `\`filer-client join -${ended === 'removed' ? ' --new-identity' : ''}\` with a new invite`,
    facts,
  );
}

/** Watched folders, each as `watch list` shows it. */
export function checkWatches(
  watches: readonly { readonly name: string; readonly state: string; readonly reason: string | null }[],
  isRunning: boolean,
): Check | undefined {
  if (watches.length === 0) return undefined;
  const bad = watches.filter(({ state }) => state !== 'watching' && (isRunning || state !== 'stopped'));
  const facts = { watches: watches.length, troubled: bad.length };
  if (!isRunning)
    return skipped('watches', `${counted(watches.length, 'folder')} to watch once a daemon runs`, facts);
  const [first] = bad;
  if (first === undefined) return ok('watches', `${counted(watches.length, 'folder')} watched`, facts);
  return warning(
    'watches',
    `${first.name} is ${first.state}: ${first.reason ?? 'no reason is known'}`,
    '`filer-client watch list`',
    facts,
  );
}
