import { isMachineName, keyPairFromSeed } from '@filer/protocol';
import { EventRing, type Logger } from '@filer/program';
import type { ServerEventData } from '../api/contract/events.ts';
import { Directory } from '../network/directory.ts';
import { Enrolment } from '../network/enrolment.ts';
import type { LiveSessions } from '../network/live-sessions.ts';
import { LocalSessions } from '../network/local-sessions.ts';
import { OwnRecord } from '../network/own-record.ts';
import { Presence } from '../network/presence.ts';
import { Removals } from '../network/removals.ts';
import { ServerGroup } from '../network/server-group.ts';
import { SharedSessions } from '../network/shared-sessions.ts';
import { Wakefulness } from '../network/wakefulness.ts';
import type { OwnSide } from './own-side.ts';
import type { ServerOptions } from './server-daemon.ts';

/** Who the members are, who of them is here, and how a machine becomes one. */
export interface MemberSide {
  readonly events: EventRing<ServerEventData>;
  readonly directory: Directory;
  readonly removals: Removals;
  readonly presence: Presence;
  /** Of this server. */
  readonly sessions: LocalSessions;
  /** Of all servers. */
  readonly live: LiveSessions;
  /** Where this server is, as it was signed. */
  readonly record: OwnRecord;
  readonly enrolment: Enrolment;
  /** Among the other servers of the network, once it enters; undefined where there can be only one. */
  readonly group: ServerGroup | undefined;
  /** Whether this one of several servers runs what must happen once; undefined where there can be only one. */
  readonly holdsTimers: (() => boolean) | undefined;
}

/** Loads the members. @throws FilerError of the store */
export async function openMemberSide(
  { settings, log, beatMs }: ServerOptions,
  { store, health, identity, founding, databaseClocks, now }: OwnSide,
  closing: AsyncDisposableStack,
): Promise<MemberSide> {
  const { registry, servers } = store;
  const { network } = founding;
  const events = new EventRing<ServerEventData>();
  const wakefulness = new Wakefulness();
  const server = servers === undefined ? undefined : identity.id;
  const directory = await Directory.open(registry, now(), { events, server, wakefulness });
  await directory.beginRun();
  closing.defer(async () => health.tell('presence', await directory.flush()));
  const removals = await Removals.open(network, registry, directory);
  const presence = new Presence(directory, settings.reportIntervalMs, events);
  const sessions = new LocalSessions(identity.id, presence);
  const live = servers === undefined ? sessions : new SharedSessions(identity.id, sessions, servers);
  const record = await OwnRecord.open(registry, identity.id, log);
  const group =
    servers &&
    new ServerGroup({
      server: identity.id,
      founder: (await registry.founding())?.server,
      store: servers,
      directory,
      presence,
      wakefulness,
      onMailbox: (peers, message) => void sessions.send(peers, message),
      restore: () => removals.restore(),
      onList: () => record.read(identity.id),
      onTime: (databaseNow) => databaseClocks?.told(databaseNow),
      onProblem: (problem) => {
        health.tell('other servers', problem);
        if (problem === undefined) health.answers();
      },
      ...{ log, beatMs },
    });
  const seed = await servers?.admissionSeed();
  const admissionKey = seed === undefined ? undefined : keyPairFromSeed(seed);
  const enrolment = new Enrolment({
    network,
    identity,
    registry,
    directory,
    removals,
    serverRecord: () => record.current,
    admission: () => (group?.list === undefined ? undefined : admissionKey),
  });
  warnOfReservedNames(directory, log);
  const holdsTimers = group && (() => group.holdsTimers);
  return { events, directory, removals, presence, sessions, live, record, enrolment, group, holdsTimers };
}

/** Machines that an older version let in under a name that no machine may have. */
function warnOfReservedNames(directory: Directory, log: Logger): void {
  for (const { status, membership } of directory.all()) {
    const { name, id } = membership;
    if (status !== 'member' || isMachineName(name)) continue;
    log.warn('a machine has a reserved name, and the other machines refuse it', {
      name,
      id,
      remedy: `ip-server rename ${name} NAME`,
    });
  }
}
