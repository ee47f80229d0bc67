import { FilerError } from '@filer/protocol';
import {
  doctorBundle,
  failedBy,
  optional,
  readConfiguration,
  runDoctor,
  wrongSetting,
  type ArgumentValues,
  type Check,
  type Context,
  type DaemonClient,
  type Findings,
  type TypesOf,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { openDaemon } from '../../api/daemon-client.ts';
import { checkHome } from '../../doctor/home-checks.ts';
import { clientSettings, type ClientSettings } from '../../settings.ts';
import { PEER, timeoutMs } from '../arguments.ts';

export const args = {
  peer: optional(PEER, 'also check the connection to this machine'),
  bundle: doctorBundle,
  timeoutMs,
};

export const examples = ['doctor', 'doctor bob', 'doctor bob --bundle filer-doctor.json'];

/** A daemon that says nothing for so long hangs: no check takes longer. */
const SILENT_MS = 60_000;

/** Others are asked for their names only to keep them out of a file. */
const NAMES_MS = 2_000;

type DoctorArguments = ArgumentValues<typeof args>;

export function run(given: DoctorArguments, context: Context): Promise<number> {
  return runDoctor(given.bundle, context, (show) => look(given, context, show));
}

async function look(
  { peer, timeoutMs }: DoctorArguments,
  context: Context,
  show: (check: Check) => void,
): Promise<Findings> {
  const { settings, wrong } = await readSettings(context);
  wrong.forEach(show);
  let daemon: DaemonClient;
  try {
    daemon = await openDaemon(context, timeoutMs ?? SILENT_MS, true);
  } catch (error) {
    return await lookHere(context, settings, [...wrong], show, error, 'store');
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
    return {
      checks: [...wrong, ...checks, ...(versions === undefined ? [] : [versions])],
      version,
      ...known,
    };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof FilerError) || !HANGS.has(error.code)) throw error;
    return await lookHere(context, settings, [...wrong], show, error, 'daemon');
  }
}

/** A daemon that does not answer, or answers in another way. */
const HANGS: ReadonlySet<string> = new Set(['connection-closed', 'connection-silent', 'unsupported']);

/** The settings as a daemon has them that starts now: one that runs may have older ones. */
async function readSettings({
  home,
  env,
}: Context): Promise<{ readonly settings: ClientSettings; readonly wrong: readonly Check[] }> {
  const wrong: Check[] = [];
  const onWrong = (error: FilerError): void => void wrong.push(wrongSetting(error));
  const settings = await readConfiguration(clientSettings, { home, env, flags: {}, onWrong });
  return { settings, wrong };
}

/** What can be seen while the home cannot be opened, or its daemon does not answer. @param checks those that are shown */
async function lookHere(
  { home }: Context,
  settings: ClientSettings,
  checks: Check[],
  show: (check: Check) => void,
  error: unknown,
  what: 'store' | 'daemon',
): Promise<Findings> {
  const take = (check: Check): void => {
    checks.push(check);
    show(check);
  };
  if (!(error instanceof FilerError)) throw error;
  if (what === 'daemon') take(failedBy(what, error, DAEMON_REMEDY));
  for await (const check of checkHome(home, settings, 0)) take(check);
  // What the check of the identity has said is said once: that it has not joined, or that a file is damaged.
  const store = failedBy('store', error, STORE_REMEDY);
  const isSaid = checks.some(
    ({ summary, facts }) => summary === store.summary || facts['code'] === 'not-joined',
  );
  if (what === 'store' && !isSaid) take(store);
  return { checks, named: [] };
}

const STORE_REMEDY = 'where a check above failed, do what it says; else restore the home from a backup';
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

/** What is to be replaced in a file that others see, and numbers that help them: as far as the home still tells. */
async function knownOf(daemon: DaemonClient, signal: AbortSignal): Promise<Pick<Findings, 'named' | 'more'>> {
  const status = await told(daemon.call(contract.status, {}, { signal }));
  const watches = (await told(daemon.call(contract.watchList, {}, { signal })))?.watches ?? [];
  const asked = daemon.call(contract.peers, { all: true, timeoutMs: NAMES_MS }, { signal });
  const peers = (await told(asked))?.peers ?? [];
  return {
    named: [
      { as: 'machine', texts: peers.map(({ name }) => name) },
      { as: 'group', texts: peers.flatMap(({ groups }) => groups) },
      { as: 'watch', texts: watches.flatMap(({ name, folder }) => [folder, name]) },
      ...(status === undefined ? [] : namesIn(status)),
    ],
    more: {
      ...(status === undefined ? {} : numbersIn(status)),
      watches: watches.length,
      peers: peers.length,
      peersOnline: peers.filter(({ online }) => online).length,
    },
  };
}

type Status = TypesOf<typeof contract.status>['result'];

function namesIn({ name, groups, inbox }: Status): Findings['named'] {
  return [
    { as: 'machine', texts: [name] },
    { as: 'group', texts: groups },
    { as: 'inbox', texts: [inbox] },
  ];
}

function numbersIn(status: Status): NonNullable<Findings['more']> {
  const { running, ended, spool, spoolRefused, schedules, offers, jobs, connections } = status;
  return { running, ended, spool, spoolRefused, schedules, offers, jobs, connections };
}

/** @returns undefined where it cannot be told: the machine was removed, or a setting is wrong */
async function told<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return undefined;
  }
}
