import {
  FilerError,
  MAX_CONNECTIONS_PER_PEER,
  memberConnectionBounds,
  MIRROR,
  PARALLEL,
  PASS_ON,
  readHello,
  removalPosition,
  Server,
  Session,
  Shares,
  STAGE,
  type Handler,
  type Hello,
  type Membership,
  type Messenger,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { mayDialBack } from './dial-back.ts';
import { learnMembership, requireNotRemoved, requireStaying } from './hello.ts';
import type { Member } from './member.ts';
import { checkPin } from './pins.ts';
import { DIRECT } from './paths/direct.ts';
import { REVERSE_PATH } from './paths/reverse.ts';
import { REVERSE } from './reverse-connections.ts';

export interface PeerServerOptions {
  readonly member: Member;
  readonly software: string;
  readonly log: Logger;
  /** Answers what a peer asks in a session. */
  readonly handlerFor: (from: Membership) => Handler;
  /** Takes over a connection that a peer opened for one transfer; ends it. */
  readonly onTransfer: (messenger: Messenger, from: Membership, hello: Hello) => Promise<void>;
  /** Whether it takes part when recipients of a job pass its content on. @default false */
  readonly passesOn?: boolean;
  readonly onSession: (messenger: Messenger, from: Membership, open: boolean) => void;
}

/** Takes in connections of other members: sessions and transfers. */
export class PeerServer extends Server {
  readonly #options: PeerServerOptions;
  readonly #connections = new Shares(memberConnectionBounds(MAX_CONNECTIONS_PER_PEER));

  constructor(options: PeerServerOptions) {
    super();
    this.#options = options;
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
    const from = await this.requireMembership(messenger, member.removals, hello, () =>
      learnMembership(member, hello.membership, messenger.peerId ?? ''),
    );
    checkPin(member, from);
    messenger.peerName = from.name;
    await this.levelRemovals(messenger, member.removals, hello);
    requireNotRemoved(member, from.id);
    requireStaying(member, from);
    const handOver =
      hello.calledBack === undefined ? undefined : member.reverse.take(hello.calledBack, from.id);
    await this.holdBack(messenger, () => {
      if (this.#connections.tryAdd(from.id, 1)) return;
      throw new FilerError(
        'too-many-connections',
        `${from.name} has ${this.#connections.of(from.id)} connections to this machine, the most that it may have: try again later`,
      );
    });
    this.admit(messenger);
    member.connections.add(messenger);
    void messenger.closed.then(() => this.#connections.giveBack(from.id, 1));
    member.pathsUsed.note(from.id, messenger.path ?? (handOver === undefined ? DIRECT : REVERSE_PATH));
    const { network, membership } = member;
    const known = new Set([
      MIRROR,
      PARALLEL,
      STAGE,
      ...(mayDialBack(messenger) ? [REVERSE] : []),
      ...(this.#options.passesOn === true ? [PASS_ON] : []),
    ]);
    const features = hello.features.filter((word) => known.has(word));
    const position = removalPosition(member.removals);
    const welcomed = welcome({ version, features, network, ...position, software, membership });
    if (hello.purpose === 'session' && handOver === undefined) member.news.add(messenger);
    await welcomed;
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
      await session.closed;
    } finally {
      onSession(messenger, from, false);
    }
  }
}
