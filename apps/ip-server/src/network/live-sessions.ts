import type { Message, RequestOptions } from '@filer/protocol';

/** The session of a machine's daemon with a server of the network. */
export interface LiveSession {
  readonly peer: string;
  /** Id of the server that holds it. */
  readonly server: string;
  /** Names it there: a machine that connects again has another one. */
  readonly id: string;
}

/**
 * Which server of the network holds whose session, and how a machine is reached over it. Parts that have something for a
 * machine ask here, wherever it is connected. What each server learns from the registry (removals, leaves, pages of the
 * directory) it tells its own connections.
 */
export interface LiveSessions {
  /** Of a machine's daemon; undefined while it is connected to no server. It is known here, without asking others. */
  of(peer: string): LiveSession | undefined;
  /** Asks over a session. @throws FilerError `connection-closed` when it is over; what the machine answers */
  ask(session: LiveSession, question: Message, options?: RequestOptions): Promise<Message>;
  /** Hands a message to the daemons of machines without waiting for the slowest. @returns to how many */
  send(peers: Iterable<string>, message: Message): Promise<number>;
}
