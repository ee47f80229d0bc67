import { isDeepStrictEqual } from 'node:util';
import {
  broadcastMessage,
  directoryGetMessage,
  FilerError,
  formatBroadcasted,
  formatRecordHeld,
  formatRemovals,
  goodbyeMessage,
  hearLeaves,
  hearRemovals,
  heartbeatMessage,
  isLoopback,
  leaveMessage,
  leavesMessage,
  OK,
  parseHostPort,
  probedMessage,
  probeMessage,
  recordMessage,
  removalsGetMessage,
  removalsMessage,
  transfersMessage,
  verifyPeerRecord,
  type Leave,
  type PeerRecord,
  type Reply,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Directory } from './directory.ts';
import type { Expecting, MemberRouter } from './member-router.ts';
import type { Connection, Presence } from './presence.ts';
import type { Removals } from './removals.ts';
import type { Texts } from './texts.ts';

export interface MemberServices {
  readonly network: string;
  readonly directory: Directory;
  readonly presence: Presence;
  readonly removals: Removals;
  readonly texts: Texts;
  readonly expecting: Expecting;
  readonly log: Logger;
  /** Another machine's clock says so. */
  readonly witness: (id: string, time: number) => void;
  readonly now: () => number;
}

/** Handles what members say of themselves, and what they ask about the network. */
export function routeMembers(router: MemberRouter, services: MemberServices): void {
  const { directory, presence, removals, texts, expecting, witness, now } = services;
  router
    .on(heartbeatMessage, ({ time, ...heartbeat }, { connection }) => {
      presence.heartbeat(connection, heartbeat, now());
      // A daemon on this machine has the same clock, right or wrong.
      const isLocal = isLoopback(parseHostPort(connection.messenger.addr).host);
      if (time !== undefined && !isLocal) witness(connection.id, time);
      return undefined;
    })
    .on(transfersMessage, ({ transfers }, { connection }) => {
      if (presence.daemon(connection.id) === connection) presence.transfers(connection, transfers);
      return undefined;
    })
    .on(
      directoryGetMessage,
      ({ epoch, seq }) => directory.page(epoch === directory.epoch ? seq : 0, now()).message,
    )
    .on(probeMessage, (_, { connection: { messenger } }) =>
      probedMessage.format({ time: Date.now(), observed: messenger.addr }),
    )
    .on(recordMessage, async (record, { connection: { id } }) =>
      formatRecordHeld(await takeRecord(services, id, record), record),
    )
    .on(removalsGetMessage, ({ after }) => formatRemovals(removals.page(after)))
    .on(removalsMessage, (news, { connection: { messenger } }) =>
      hearRemovals(removals, news.removals, messenger),
    )
    .on(leavesMessage, ({ leaves }, { connection: { messenger } }) => hearLeaves(removals, leaves, messenger))
    .on(broadcastMessage, (text, { connection: { id } }) =>
      texts.broadcast(id, text, now()).then(formatBroadcasted),
    )
    .on(goodbyeMessage, (_, { connection }) => {
      presence.goodbye(connection);
      if (presence.daemon(connection.id) === connection) expecting.goodbye(connection.id);
      return undefined;
    })
    .on(leaveMessage, (message, { connection }) => leave(services, connection, message.leave));
}

/**
 * Keeps a member's own addresses if they are newer than those known.
 *
 * @returns the record that is held now
 * @throws FilerError `refused` for another's record, `signature-invalid`, of the store
 */
export async function takeRecord(
  { directory, network }: Pick<MemberServices, 'directory' | 'network'>,
  id: string,
  record: PeerRecord,
): Promise<PeerRecord> {
  if (record.id !== id) throw new FilerError('refused', 'a machine publishes its own addresses only');
  const known = directory.get(id)?.record;
  // As each machine says it again that comes back: it was checked then.
  if (known !== undefined && isDeepStrictEqual(known, record)) return known;
  verifyPeerRecord(record, network);
  return await directory.saveRecord(record);
}

async function leave(
  { directory, presence, expecting, removals, log }: MemberServices,
  connection: Connection,
  signed: Leave | undefined,
): Promise<Reply> {
  const { id, messenger } = connection;
  if (signed !== undefined && signed.membership.id !== id) {
    throw new FilerError('refused', 'a machine can end its own membership only');
  }
  const name = directory.get(id)?.membership.name;
  // Before the others know: then this connection is not ended with the rest, and gets its answer.
  presence.leave(connection);
  if (signed !== undefined) await removals.leaves.take([signed]);
  if (directory.get(id)?.status === 'member') await directory.leave(id);
  expecting.forget(id);
  log.info('peer left the network', { peer: name, id });
  const left = new FilerError('not-a-member', 'this machine has left the network');
  for (const other of presence.of(id)) if (other !== messenger) other.reject(left);
  // After the answer, which is written in this turn.
  setImmediate(() => void messenger.close());
  return OK;
}
