import {
  broadcastMessage,
  FilerError,
  formatBroadcasted,
  formatError,
  formatRecordHeld,
  formatRemovals,
  formatStored,
  parseDirectoryGet,
  isLoopback,
  parseHeartbeat,
  parseHostPort,
  parseRecord,
  parseReport,
  parseSpool,
  parseReportDue,
  parseSchedules,
  requireInteger,
  unsupported,
  verifyPeerRecord,
  type Handler,
  type Message,
  type PeerRecord,
  type Reply,
  type Session,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { ReportIntake } from '../reports/intake.ts';
import type { ReportRates } from '../reports/report-rates.ts';
import type { Attachments } from '../uploads/attachments.ts';
import type { Lateness } from '../reports/lateness.ts';
import type { Directory } from './directory.ts';
import type { Connection, Presence } from './presence.ts';
import type { Removals } from './removals.ts';
import type { Texts } from './texts.ts';

export interface MemberServices {
  readonly network: string;
  readonly directory: Directory;
  readonly presence: Presence;
  readonly removals: Removals;
  readonly texts: Texts;
  readonly intake: ReportIntake;
  readonly rates: ReportRates;
  readonly attachments: Pick<Attachments, 'require' | 'stored'>;
  readonly lateness: Lateness;
  readonly log: Logger;
  /** Another machine's clock says so. */
  readonly witness: (id: string, time: number) => void;
  readonly now: () => number;
}

/** Reports of one connection that may wait for the disk; then the connection waits. */
const MAX_WAITING_REPORTS = 256;

const OK: Reply = { header: { type: 'ok' } };

/** What a member may ask. */
export function memberHandler(services: MemberServices, connection: Connection): Handler {
  const { directory, presence, removals, texts, lateness, witness, now } = services;
  const { id, messenger } = connection;
  const isLocal = isLoopback(parseHostPort(messenger.addr).host);
  const takeReport = reportTaker(services, id);
  return (message, session) => {
    if (directory.get(id)?.status !== 'member') {
      throw new FilerError('not-a-member', 'this machine has left the network: join again with an invite');
    }
    switch (message.header['type']) {
      case 'heartbeat': {
        const { time, ...heartbeat } = parseHeartbeat(message);
        if (connection.incarnation === undefined) return undefined;
        presence.heartbeat(connection, heartbeat, now());
        // A daemon on this machine has the same clock, right or wrong.
        if (time !== undefined && !isLocal) witness(id, time);
        return undefined;
      }
      case 'report':
        return takeReport(message, session);
      case 'spool': {
        const spool = parseSpool(message);
        return formatStored({ spool, seq: services.intake.lastSeq(id, spool) });
      }
      case 'directory-get': {
        const { epoch, seq } = parseDirectoryGet(message);
        return directory.page(epoch === directory.epoch ? seq : 0, now()).message;
      }
      case 'record': {
        if (connection.incarnation === undefined) {
          throw new FilerError('refused', 'the session of a command publishes no addresses');
        }
        const record = parseRecord(message);
        return formatRecordHeld(takeRecord(services, id, record), record);
      }
      case 'removals-get':
        return formatRemovals(removals.after(requireInteger(message.header, 'after')));
      case 'broadcast':
        return texts
          .broadcast(id, broadcastMessage.parse(message), now())
          .then((broadcasted) => formatBroadcasted(broadcasted));
      case 'schedules': {
        if (connection.incarnation === undefined) {
          throw new FilerError('refused', 'the session of a command announces no schedules');
        }
        return lateness.announce(id, parseSchedules(message)).then(() => OK);
      }
      case 'goodbye':
        presence.goodbye(connection);
        if (presence.daemon(id) === connection) lateness.goodbye(id);
        return undefined;
      case 'leave':
        return leave(services, connection);
      default:
        throw unsupported(message.header);
    }
  };
}

/**
 * Keeps a member's own addresses if they are newer than those known.
 *
 * @returns the record that is held now
 * @throws FilerError `refused` for another's record, `signature-invalid`, of the store
 */
export function takeRecord(
  { directory, network }: MemberServices,
  id: string,
  record: PeerRecord,
): PeerRecord {
  if (record.id !== id) throw new FilerError('refused', 'a machine publishes its own addresses only');
  verifyPeerRecord(record, network);
  return directory.saveRecord(record);
}

/** Answers when a report is on the disk, without holding back what comes behind it. */
function reportTaker(
  services: MemberServices,
  peer: string,
): (message: Message, session: Session) => Promise<undefined> {
  const { intake, rates, attachments, now } = services;
  const waiting = new Set<Promise<void>>();
  return async (message, session) => {
    rates.take(peer, message.content.length);
    const report = parseReport(message);
    const due = parseReportDue(message);
    const { id } = message.header;
    const { spool, seq } = report;
    const answer = async (): Promise<Reply> => {
      try {
        attachments.require(peer, report);
        await intake.add({ peer, report, content: message.content, receivedAt: now(), due });
        attachments.stored(peer, report);
        return formatStored({ spool, seq });
      } catch (error) {
        if (!(error instanceof FilerError)) throw error;
        return { header: formatError(error) };
      }
    };
    const answered = answer().then(async ({ header }) => {
      // A connection that is gone asks again with the same key, on another one.
      if (id !== undefined) await session.notify({ ...header, re: id }).catch(() => undefined);
    });
    waiting.add(answered);
    void answered.finally(() => waiting.delete(answered));
    if (waiting.size >= MAX_WAITING_REPORTS) await Promise.race(waiting);
    return undefined;
  };
}

function leave({ directory, presence, lateness, log }: MemberServices, { id, messenger }: Connection): Reply {
  const name = directory.get(id)?.membership.name;
  directory.leave(id);
  lateness.forget(id);
  log.info('peer left the network', { peer: name, id });
  const left = new FilerError('not-a-member', 'this machine has left the network');
  for (const other of presence.of(id)) if (other !== messenger) other.reject(left);
  // After the answer, which is written in this turn.
  setImmediate(() => void messenger.close());
  return OK;
}
