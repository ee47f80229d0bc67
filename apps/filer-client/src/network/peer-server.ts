import {
  FilerError,
  MAX_CONNECTIONS_PER_PEER,
  memberConnectionBounds,
  readHello,
  Server,
  Session,
  Shares,
  type Handler,
  type Hello,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { learnMembership } from './hello.ts';
import type { Member } from './member.ts';
import { checkPin } from './pins.ts';
import { CALLS_BACK } from './reach-for-transfer.ts';
import { fetchRemovals } from './removal-sync.ts';

export interface PeerServerOptions {
  readonly member: Member;
  readonly software: string;
  readonly log: Logger;
  /** Answers what a peer asks in a session. */
  readonly handlerFor: (from: Membership) => Handler;
  /** Takes over a connection that a peer opened for one transfer; ends it. */
  readonly onTransfer: (messenger: Messenger, from: Membership, hello: Hello) => Promise<void>;
  readonly onSession: (messenger: Messenger, from: Membership, open: boolean) => void;
  readonly onRemoved: (ids: readonly string[]) => void;
}

/** Takes in connections of other members: sessions and transfers. */
export class PeerServer extends Server {
  readonly #options: PeerServerOptions;
  readonly #connections = new Shares(memberConnectionBounds(MAX_CONNECTIONS_PER_PEER));

  constructor(options: PeerServerOptions) {
    super();
    this.#options = options;
  }

  /** Ends every connection of removed peers, and tells them why. */
  expel(ids: readonly string[]): void {
    for (const messenger of this.messengers) {
      if (messenger.peerId !== undefined && ids.includes(messenger.peerId)) {
        messenger.reject(new FilerError('removed', `${messenger.peerId} was removed from the network`));
      }
    }
  }

  /** Ends every connection with a peer in order. @returns how many there were */
  async closePeer(id: string): Promise<number> {
    const theirs = [...this.messengers].filter((messenger) => messenger.peerId === id);
    await Promise.all(theirs.map((messenger) => messenger.close()));
    return theirs.length;
  }

  protected override async serve(messenger: Messenger): Promise<void> {
    try {
      await this.#serveMember(messenger);
    } catch (error) {
      // The hub tells the other side and ends the connection.
      if (error instanceof FilerError) {
        this.#options.log.warn('a connection was refused', { address: messenger.addr, error });
      }
      throw error;
    }
  }

  async #serveMember(messenger: Messenger): Promise<void> {
    const { member, software, onTransfer, onSession, handlerFor } = this.#options;
    const { hello, version, welcome } = await readHello(messenger);
    if (hello.network !== member.network)
      throw new FilerError('refused', 'this peer belongs to another network');
    const from = learnMembership(member, hello.membership, messenger.peerId ?? '');
    checkPin(member, from);
    messenger.peerName = from.name;
    const handOver =
      hello.calledBack === undefined ? undefined : member.callBacks.take(hello.calledBack, from.id);
    await this.holdBack(messenger, () => {
      if (this.#connections.tryAdd(from.id, 1)) return;
      throw new FilerError(
        'too-many-connections',
        `${from.name} has ${this.#connections.of(from.id)} connections to this machine, the most that it may have: try again later`,
      );
    });
    this.admit(messenger);
    void messenger.closed.then(() => this.#connections.giveBack(from.id, 1));
    const { network, membership } = member;
    const features = hello.features.filter((word) => word === CALLS_BACK);
    await welcome({ version, features, network, removals: member.removals.number, software, membership });
    if (handOver !== undefined) {
      handOver(messenger);
      await messenger.closed;
      return;
    }
    if (hello.purpose === 'transfer') {
      await onTransfer(messenger, from, hello);
      return;
    }
    onSession(messenger, from, true);
    try {
      const session = new Session(messenger, handlerFor(from));
      await this.#learnRemovals(session, hello);
      await session.closed;
    } finally {
      onSession(messenger, from, false);
    }
  }

  async #learnRemovals(session: Session, { removals }: Hello): Promise<void> {
    const { member, onRemoved, log } = this.#options;
    if (removals <= member.removals.number) return;
    try {
      const removed = await fetchRemovals(member, session, removals);
      if (removed.length > 0) onRemoved(removed);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('the removals of a peer were refused', { error });
    }
  }
}
