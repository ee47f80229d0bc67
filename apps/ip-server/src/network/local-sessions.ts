import { FilerError, multicast, type Message, type RequestOptions, type Session } from '@filer/protocol';
import type { LiveSession, LiveSessions } from './live-sessions.ts';
import type { Connection, Presence } from './presence.ts';

interface Held extends LiveSession {
  readonly session: Session;
}

/** The live sessions of a network with one server: those of its own connections. */
export class LocalSessions implements LiveSessions {
  readonly #server: string;
  readonly #presence: Presence;
  readonly #held = new WeakMap<Connection, Held>();
  #opened = 0;

  /** @param server its id */
  constructor(server: string, presence: Presence) {
    this.#server = server;
    this.#presence = presence;
  }

  /** Questions can be asked over a connection from now on. */
  opened(connection: Connection, session: Session): void {
    const id = String(++this.#opened);
    this.#held.set(connection, { peer: connection.id, server: this.#server, id, session });
  }

  of(peer: string): LiveSession | undefined {
    return this.#of(peer);
  }

  #of(peer: string): Held | undefined {
    const connection = this.#presence.daemon(peer);
    return connection?.messenger.open === true ? this.#held.get(connection) : undefined;
  }

  async ask({ peer, id }: LiveSession, question: Message, options?: RequestOptions): Promise<Message> {
    const held = this.#of(peer);
    if (held?.id !== id) throw new FilerError('connection-closed', 'the machine has lost its connection');
    return await held.session.ask(question, options);
  }

  async send(peers: Iterable<string>, { header, content }: Message): Promise<number> {
    const connected = [...peers].flatMap((peer) => this.#presence.daemon(peer)?.messenger ?? []);
    return await multicast(connected, header, content);
  }
}
