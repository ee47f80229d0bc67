/* Where messages travel: on which connections, and from whom to whom. */

/**
 * `opening` is the handshake of each connection, `join` what follows it for a machine without membership, `session` the
 * one of a member with its server, `peer session` that of two members, `transfer opening` what comes before the offer on
 * a connection for files, and `transfer` what follows. `passing on` is between two recipients of a job, `parallel` a further connection of a transfer. `relayed` is a
 * connection to a relay, in plaintext, before it is joined with another one. `any` is each of them but the last.
 */
export type Connection =
  | 'any'
  | 'opening'
  | 'join'
  | 'session'
  | 'peer session'
  | 'transfer opening'
  | 'transfer'
  | 'passing on'
  | 'parallel'
  | 'relayed';

/** `client` is a daemon or a command. */
export type Party =
  | 'either'
  | 'dialler'
  | 'accepter'
  | 'joiner'
  | 'client'
  | 'daemon'
  | 'command'
  | 'server'
  | 'peer'
  | 'asker'
  | 'owner'
  | 'relay'
  | 'sender'
  | 'receiver';

export interface Route {
  readonly on: Connection;
  readonly from: Party;
  readonly to: Party;
}

const route = (on: Connection, from: Party, to: Party): Route => ({ on, from, to });

export const anywhere = route('any', 'either', 'either');
export const diallerToAccepter = route('opening', 'dialler', 'accepter');
export const accepterToDialler = route('opening', 'accepter', 'dialler');
export const joinerToServer = route('join', 'joiner', 'server');
export const serverToJoiner = route('join', 'server', 'joiner');
export const clientToServer = route('session', 'client', 'server');
/** Refused from a command. */
export const daemonToServer = route('session', 'daemon', 'server');
export const serverToClient = route('session', 'server', 'client');
export const peerToPeer = route('peer session', 'peer', 'peer');
export const askerToOwner = route('transfer opening', 'asker', 'owner');
export const uploaderToServer = route('transfer opening', 'client', 'server');
export const serverToUploader = route('transfer opening', 'server', 'client');
export const receiverToCaller = route('transfer opening', 'receiver', 'sender');
export const senderToReceiver = route('transfer', 'sender', 'receiver');
export const receiverToSender = route('transfer', 'receiver', 'sender');

export const blocksToHolder = route('passing on', 'asker', 'owner');
export const blocksFromHolder = route('passing on', 'owner', 'asker');

export const segmentsToReceiver = route('parallel', 'sender', 'receiver');

export const peerToRelay = route('relayed', 'peer', 'relay');

/** One side of a kind of connection. */
export interface Place {
  readonly on: Connection;
  readonly as: Party;
}

/** Whether a message on this route may come here. */
export function leadsTo({ on, to }: Route, place: Place): boolean {
  return on === 'any' || (on === place.on && to === place.as);
}
