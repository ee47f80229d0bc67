import { FilerError } from '@filer/protocol';
import {
  doctorBundle,
  failedBy,
  readConfiguration,
  runDoctor,
  wrongSetting,
  type ArgumentValues,
  type Check,
  type Context,
  type Findings,
  type Home,
} from '@filer/program';
import { contract } from '../api/contract.ts';
import type { ServerEntryDocument, StatusDocument } from '../api/contract/server.ts';
import { openServer } from '../api/server-client.ts';
import { checkPorts } from '../doctor/port-checks.ts';
import {
  checkAlarms,
  checkBackup,
  checkCertificate,
  checkDatabase,
  checkFiles,
  checkOpenFiles,
  checkRunning,
  checkServerClock,
} from '../doctor/server-checks.ts';
import { ownEntry } from './servers/own-entry.ts';
import { SETTINGS, type ServerSettings } from '../settings.ts';
import { mayHoldAnything, storePlaceOf, type StorePlace } from '../store/store.ts';

export const args = { bundle: doctorBundle };

export const examples = ['doctor', 'doctor --json', 'doctor --bundle ip-server-doctor.json'];

type Named = Findings['named'][number];

export function run({ bundle }: ArgumentValues<typeof args>, context: Context): Promise<number> {
  return runDoctor(bundle, context, async (show) => {
    const checks: Check[] = [];
    const named: Named[] = [];
    for await (const found of look(context)) {
      if ('as' in found) named.push(found);
      else {
        checks.push(found);
        show(found);
      }
    }
    return { checks, named };
  });
}

async function* look(context: Context): AsyncGenerator<Check | Named, void, void> {
  const { home, env, signal } = context;
  const wrong: Check[] = [];
  const onWrong = (error: FilerError): void => void wrong.push(wrongSetting(error));
  const settings = await readConfiguration(SETTINGS, { home, env, flags: {}, onWrong });
  yield* wrong;
  let status: StatusDocument | undefined;
  let listing: ServerEntryDocument['state'] | undefined;
  let isNew = false;
  try {
    await using server = await openServer(context, { settings });
    status = await server.call(contract.status, {});
    listing = (await ownEntry(server, status))?.state;
    const { peers } = await server.call(contract.peers, { all: true });
    yield { as: 'machine', texts: peers.map(({ name }) => name) };
    yield { as: 'group', texts: peers.flatMap(({ groups }) => groups) };
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    isNew = error.code === 'needs-daemon';
    yield failedBy('server', error, serverRemedy(error));
  }
  if (status !== undefined) yield checkRunning(status, listing);
  yield* checkFiles(home, settings, status?.id, isNew);
  yield* checkStored(home, settings);
  yield checkBackup(settings, Date.now());
  yield await checkServerClock();
  if (status === undefined) return;
  yield checkOpenFiles(status);
  if (!status.running) return;
  yield* checkPorts(status, signal);
  yield checkCertificate(status.certificate, Date.now());
  const alarms = checkAlarms(status);
  if (alarms !== undefined) yield alarms;
}

function serverRemedy({ code }: FilerError): string {
  if (code === 'needs-daemon') return '`ip-server start`';
  if (HANGS.has(code))
    return '`ip-server stop`, then `ip-server start`; with systemd: `systemctl restart ip-server`';
  return 'what the checks below say, then `ip-server start`';
}

/** Of a server that runs, and does not answer. */
const HANGS: ReadonlySet<string> = new Set(['connection-closed', 'connection-silent', 'timed-out']);

async function* checkStored(home: Home, settings: ServerSettings): AsyncGenerator<Check, void, void> {
  let place: StorePlace;
  try {
    place = await storePlaceOf(home, settings);
  } catch (error) {
    yield failedBy('database', error, 'name it: `ip-server start --store postgres://USER@HOST/DATABASE`');
    return;
  }
  if (mayHoldAnything(place)) yield await checkDatabase(place);
}
