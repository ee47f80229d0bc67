import {
  FilerError,
  readHello,
  Server,
  Session,
  unsupported,
  VERSIONS,
  type Membership,
  type Message,
  type Messenger,
  type Reply,
  type SignedText,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { checkMembership } from './hello.ts';
import type { Member } from './member.ts';
import { answerRemovals, fetchRemovals } from './removal-sync.ts';
import { takeText } from './texts.ts';

export interface PeerServerOptions {
  readonly member: Member;
  readonly software: string;
  readonly log: Logger;
  readonly onText: (text: SignedText) => void;
  readonly onRemoved: (ids: readonly string[]) => void;
  /** Takes over a connection that a peer opened for one transfer; ends it. Must not throw. */
  readonly onTransfer: (messenger: Messenger, from: Membership) => Promise<void>;
}

/** Takes in connections of other members: sessions and transfers. */
export class PeerServer extends Server {
  readonly #options: PeerServerOptions;

  constructor(options: PeerServerOptions) {
    super();
    this.#options = options;
  }

  /** Ends every connection of these peers. */
  closePeers(ids: readonly string[]): void {
    for (const messenger of this.messengers) {
      if (messenger.peerId !== undefined && ids.includes(messenger.peerId)) {
        messenger.reject(new FilerError('removed', `${messenger.peerId} was removed from the network`));
      }
    }
  }

  protected override async serve(messenger: Messenger): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#serveMember(messenger);
    } catch (error) {
      messenger.destroy();
      if (!(error instanceof FilerError)) throw error;
      log.warn('a connection was refused', { address: messenger.addr, error });
    }
  }

  async #serveMember(messenger: Messenger): Promise<void> {
    const { member, software, log, onTransfer } = this.#options;
    const { hello, version, welcome } = await readHello(messenger);
    let membership: Membership;
    try {
      if (hello.network !== member.network)
        throw new FilerError('refused', 'this peer belongs to another network');
      membership = checkMembership(member, hello.membership, messenger.peerId ?? '');
    } catch (error) {
      if (error instanceof FilerError) messenger.reject(error);
      throw error;
    }
    this.admit(messenger);
    member.directory.learn(membership, (id) => member.removals.has(id));
    await welcome({
      version,
      features: [],
      network: member.network,
      removals: member.removals.number,
      software,
      membership: member.membership,
    });
    log.debug('a peer connected', {
      name: membership.name,
      purpose: hello.purpose,
      versions: VERSIONS.join(),
    });
    if (hello.purpose === 'transfer') {
      await onTransfer(messenger, membership);
      return;
    }
    const session = new Session(messenger, (message) => this.#handle(message, membership));
    if (hello.removals > member.removals.number) await this.#learnRemovals(session, hello.removals);
    await session.closed;
  }

  async #learnRemovals(session: Session, theirs: number): Promise<void> {
    try {
      const removed = await fetchRemovals(this.#options.member, session, theirs);
      if (removed.length > 0) this.#options.onRemoved(removed);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#options.log.warn('the removals of a peer were refused', { error });
    }
  }

  #handle(message: Message, from: Membership): Reply | undefined {
    const { member, onText } = this.#options;
    switch (message.header['type']) {
      case 'text': {
        const text = takeText(member, message, from.id, Date.now());
        if (text !== undefined) onText(text);
        return { header: { type: 'ok' } };
      }
      case 'removals-get':
        return answerRemovals(member, message);
      default:
        throw unsupported(message.header);
    }
  }
}
