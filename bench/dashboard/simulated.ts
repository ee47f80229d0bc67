import { join } from 'node:path';
import {
  admit,
  createInvite,
  createKeyPair,
  encodeReportBody,
  joinerSignatures,
  loadNetworkKey,
  signPeerRecord,
  type Heartbeat,
} from '@filer/protocol';
import {
  createLogger,
  digestOfToken,
  newToken,
  openHome,
  readConfiguration,
  resolveHome,
  type Role,
} from '@filer/program';
import { adminApiOf } from '../../apps/ip-server/src/api/admin-api.ts';
import { methodsOn } from '../../apps/ip-server/src/api/methods.ts';
import { openServer } from '../../apps/ip-server/src/daemon/compose.ts';
import type { ServerDaemon, ServerParts } from '../../apps/ip-server/src/daemon/server-daemon.ts';
import { SETTINGS } from '../../apps/ip-server/src/settings.ts';
import { openStore } from '../../apps/ip-server/src/store/store.ts';

const PAGES = join(import.meta.dirname, '../../packages/web/dist/dashboard');
const DAY_MS = 86_400_000;
const GROUPS = ['lab', 'office', 'render', 'edge', 'build', 'archive'];
const PLACES = ['berlin', 'lyon', 'oslo', 'porto', 'quito', 'riga', 'sofia', 'turin'];

/** A server in this process whose machines exist on paper only: they are members, with states, numbers and reports. */
export interface Simulated extends AsyncDisposable {
  readonly server: ServerDaemon;
  readonly ids: readonly string[];
  /** A heartbeat of so many machines. */
  beat(count: number): void;
}

/** @param folder becomes the home @param flags settings of the server beside those of the simulation */
export async function openSimulated(folder: string, count: number, flags: object = {}): Promise<Simulated> {
  const first = await start(folder, { httpPort: 'off' });
  const ids = await admitAll(first, count);
  await first.close();
  await fill(resolveHome('ip-server', { IP_SERVER_HOME: folder }).databaseFile, ids);
  const server = await start(folder, flags);
  const now = Date.now();
  for (const [index, id] of ids.entries()) {
    if (index % 50 === 7) server.directory.see(id, 'stopped', now - (index + 1) * 60_000, '0.1.0');
    else if (index % 50 !== 13) {
      server.directory.see(id, 'online', now, '0.1.0');
      beatOf(server, id, index);
    }
  }
  await server.directory.flush();
  for (const id of ids.filter((_, index) => index % 97 === 96)) await server.directory.leave(id);
  let next = 0;
  return {
    server,
    ids,
    beat: (beats) => {
      for (let left = beats; left > 0; left--) {
        const index = next++ % ids.length;
        const id = ids[index];
        if (id !== undefined && server.directory.get(id)?.presence === 'online') beatOf(server, id, index);
      }
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** A link to its dashboard, with a new token. */
export async function linkTo({ server }: Simulated, role: Role): Promise<string> {
  const token = newToken();
  const now = Date.now();
  const entry = { id: 'simulated', name: 'simulated', role, createdAt: now, expiresAt: now + DAY_MS };
  await server.store.tokens.add({ ...entry, digest: digestOfToken(token) }, now);
  return `${server.http.url}/#token=${token}`;
}

async function start(folder: string, flags: object): Promise<ServerDaemon> {
  const env = { IP_SERVER_HOME: folder };
  const home = resolveHome('ip-server', env);
  await openHome(home);
  const settings = await readConfiguration(SETTINGS, {
    home,
    env,
    flags: { host: '127.0.0.1', port: 0, ...flags },
  });
  const log = await createLogger({ level: 'error', stream: process.stderr });
  const methodsOf = (parts: ServerParts) => methodsOn(adminApiOf(parts));
  return openServer({ home, settings, environment: env, log, version: '0.1.0', methodsOf, pages: PAGES });
}

async function admitAll(server: ServerDaemon, count: number): Promise<string[]> {
  const networkKey = await loadNetworkKey(server.home.networkKeyFile);
  const { founding, identity, directory } = server;
  const now = Date.now();
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const groups = [
      GROUPS[index % GROUPS.length] ?? 'lab',
      ...(index % 5 === 0 ? ['nightly'] : []),
    ].toSorted();
    const { grant, seed } = createInvite({
      networkKey,
      server: founding.server,
      addresses: [{ host: '127.0.0.1', port: 10_901 }],
      groups,
      expiresAt: now + DAY_MS,
      uses: 1,
      now,
    });
    const key = createKeyPair();
    const claims = {
      network: founding.network,
      id: key.id,
      name: `${PLACES[index % PLACES.length]}-${String(index + 1).padStart(4, '0')}`,
      groups,
      invite: grant.invite,
      server: founding.server,
      admittedAt: now,
      serial: now,
    };
    const publicKey = key.publicKey.toString('base64url');
    const signed = { publicKey, grant, ...joinerSignatures(claims, key, seed) };
    await server.store.registry.addInvite(grant);
    await directory.admit({ membership: admit(claims, signed, identity), countsUse: false, now });
    await directory.saveRecord(
      signPeerRecord(key, {
        network: founding.network,
        addresses: [`tcp://10.0.${index >> 8}.${index & 255}:10902`],
        seq: 1,
        expiresAt: now + DAY_MS,
      }),
    );
    ids.push(key.id);
  }
  return ids;
}

/** What they are expected to report, what they have reported, and the numbers of some hours. */
async function fill(file: string, ids: readonly string[]): Promise<void> {
  const store = await openStore(file);
  const now = Date.now();
  const steady = (await store.expectations.clock())?.steady ?? 0;
  const kept = ids.flatMap((peer, index) => {
    if (index % 3 !== 0) return [];
    const state =
      index % 60 === 3 ? ('missing' as const) : index % 45 === 6 ? ('late' as const) : ('ok' as const);
    const dueAt = steady + (state === 'ok' ? 3_600_000 + index * 1_000 : -600_000);
    const times = { dueAt, thirdAt: dueAt + DAY_MS, since: now - 600_000, reportedAt: now - 4_000_000 };
    return [{ peer, schedule: 'backup', always: false, graceMs: undefined, stopped: false, state, ...times }];
  });
  await store.expectations.apply({ kept, dropped: [], alarms: [], channels: [] });
  for (let seq = 1; seq <= 20; seq++) {
    await store.reports.append(
      ids.slice(0, 1_000).map((peer, index) => {
        const values = [
          ['disk', `${(40 + (index % 40) + seq / 2).toFixed(1)} %`],
          ['files', String(1_000 + seq * 37)],
        ] as const;
        const body = { title: 'nightly backup', values, schedule: 'backup' };
        const key = {
          spool: peer
            .slice(0, 2)
            .toLowerCase()
            .replaceAll(/[^a-f]/g, 'a')
            .repeat(16),
          seq,
        };
        const receivedAt = now - (20 - seq) * 3_600_000 - index * 500;
        const report = { ...body, ...key, kind: 'schedule' as const, time: receivedAt };
        return { peer, report, content: encodeReportBody(body), receivedAt };
      }),
    );
  }
  for (let minute = 360; minute > 0; minute--) {
    const some = ids
      .slice(0, 20)
      .map((id, index) => [id, { at: now - minute * 60_000, heartbeat: numbersOf(index, minute) }] as const);
    await store.samples.save(new Map(some));
  }
  await store.close();
}

function beatOf(server: ServerDaemon, id: string, index: number): void {
  server.directory.see(id, 'online', Date.now(), '0.1.0');
  server.presence.heartbeat({ id }, numbersOf(index, 0), Date.now());
}

function numbersOf(index: number, minute: number): Heartbeat {
  const wave = Math.sin((minute + index * 13) / 30);
  return {
    uptimeMs: 3_600_000,
    loadHundredths: Math.round(120 + 90 * wave + (minute % 7) * 5),
    memoryTotalBytes: 16e9,
    memoryFreeBytes: Math.round(6e9 + 3e9 * wave),
    inboxFreeBytes: Math.round((200 + (index % 300)) * 1e9 - minute * 2e8),
    transfers: (minute + index) % 11 === 0 ? 2 : 0,
    spooled: 0,
  };
}
