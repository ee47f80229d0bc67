import { FilerError } from '@filer/protocol';
import {
  doctorExitCode,
  failedBy,
  optional,
  readConfiguration,
  showCheck,
  textKind,
  verdictWords,
  writeBundle,
  type ArgumentValues,
  type Check,
  type Context,
  type DaemonClient,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { openDaemon } from '../../api/daemon-client.ts';
import { checkHome } from '../../doctor/home-checks.ts';
import { clientSettings } from '../../settings.ts';
import { PEER, timeoutMs } from '../arguments.ts';

export const args = {
  peer: optional(PEER, 'also look at the way to this machine'),
  bundle: optional(
    textKind('a file', { completes: 'file' }),
    'write what was found to a new file for a bug report, without keys, invites, tokens, contents and names',
  ),
  timeoutMs,
};

export const examples = ['doctor', 'doctor bob', 'doctor bob --bundle filer-doctor.json'];

/** A daemon that says nothing for so long hangs: no check takes longer. */
const SILENT_MS = 60_000;

/** Others are asked for their names only to keep them out of a file. */
const NAMES_MS = 2_000;

/** What was found, and what is known besides. */
interface Found {
  readonly checks: readonly Check[];
  readonly names: readonly { readonly as: string; readonly texts: readonly string[] }[];
  readonly numbers: Readonly<Record<string, unknown>>;
  /** Undefined where the home could not be opened. */
  readonly version: string | undefined;
}

type DoctorArguments = ArgumentValues<typeof args>;

export async function run(given: DoctorArguments, context: Context): Promise<number> {
  const { output } = context;
  const show = (check: Check): void => showCheck(check, context);
  const found = await look(given, context, show);
  const { checks, version } = found;
  const exitCode = doctorExitCode(checks);
  if (given.bundle !== undefined)
    await writeBundle(given.bundle, { checks, named: found.names, more: found.numbers }, context);
  output.json({ ok: exitCode === 0, exitCode, version: version ?? context.version, checks });
  output.line(verdictWords(checks));
  return exitCode;
}

async function look(
  { peer, timeoutMs }: DoctorArguments,
  context: Context,
  show: (check: Check) => void,
): Promise<Found> {
  let daemon: DaemonClient;
  try {
    daemon = await openDaemon(context, timeoutMs ?? SILENT_MS, true);
  } catch (error) {
    return await lookHere(context, show, error, 'store');
  }
  try {
    await using _ = daemon;
    const params = { peer, timeoutMs };
    const { checks, version } = await daemon.call(contract.doctor, params, {
      onItem: show,
      signal: context.signal,
    });
    const versions = versionCheck(version, context);
    if (versions !== undefined) show(versions);
    const known = await knownOf(daemon, context.signal);
    return { checks: versions === undefined ? checks : [...checks, versions], version, ...known };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof FilerError) || !HANGS.has(error.code)) throw error;
    return await lookHere(context, show, error, 'daemon');
  }
}

/** A daemon that does not answer, or answers in another way. */
const HANGS: ReadonlySet<string> = new Set(['connection-closed', 'connection-silent', 'unsupported']);

/** What can be seen while the home cannot be opened, or its daemon does not answer. */
async function lookHere(
  context: Context,
  show: (check: Check) => void,
  error: unknown,
  what: 'store' | 'daemon',
): Promise<Found> {
  const { home, env } = context;
  const checks: Check[] = [];
  const take = (check: Check): void => {
    checks.push(check);
    show(check);
  };
  if (!(error instanceof FilerError)) throw error;
  // That it has not joined, the check of the identity says.
  if (error.code !== 'not-joined')
    take(failedBy(what, error, what === 'store' ? STORE_REMEDY : DAEMON_REMEDY));
  const settings = await readConfiguration(clientSettings, { home, env, flags: {} }).catch(
    (invalid: unknown) => {
      take(failedBy('configuration', invalid, 'correct it, or remove the line'));
      return undefined;
    },
  );
  for await (const check of checkHome(home, settings, 0)) take(check);
  return { checks, version: undefined, names: [], numbers: {} };
}

const STORE_REMEDY = 'the checks of the home below say what to do';
const DAEMON_REMEDY =
  '`filer-client stop`, then `filer-client start`; with systemd: `systemctl --user restart filer-client`';

function versionCheck(running: string, { version }: Context): Check | undefined {
  if (running === version) return undefined;
  return {
    check: 'version',
    state: 'warning',
    summary: `the daemon runs version ${running}, and this command is ${version}`,
    remedy: 'restart the daemon: `filer-client stop`, then `filer-client start`',
    facts: { daemon: running, command: version },
  };
}

/** What is to be replaced in a file that others see, and numbers that help them. */
async function knownOf(daemon: DaemonClient, signal: AbortSignal): Promise<Pick<Found, 'names' | 'numbers'>> {
  const status = await daemon.call(contract.status, {}, { signal });
  const { watches } = await daemon.call(contract.watchList, {}, { signal });
  const peers = await peersOf(daemon, signal);
  const { running, ended, spool, spoolRefused, schedules, offers, jobs, connections } = status;
  return {
    names: [
      { as: 'machine', texts: [status.name, ...peers.map(({ name }) => name)] },
      { as: 'group', texts: [...status.groups, ...peers.flatMap(({ groups }) => groups)] },
      { as: 'watch', texts: watches.flatMap(({ name, folder }) => [folder, name]) },
      { as: 'inbox', texts: [status.inbox] },
    ],
    numbers: {
      running,
      ended,
      spool,
      spoolRefused,
      schedules,
      offers,
      jobs,
      connections,
      watches: watches.length,
      peers: peers.length,
      peersOnline: peers.filter(({ online }) => online).length,
    },
  };
}

async function peersOf(
  daemon: DaemonClient,
  signal: AbortSignal,
): Promise<readonly { name: string; groups: readonly string[]; online: boolean }[]> {
  try {
    return (await daemon.call(contract.peers, { all: true, timeoutMs: NAMES_MS }, { signal })).peers;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return []; // it was removed
  }
}
