import type { Message, RequestOptions } from '@filer/protocol';
import type { ServerStore } from '../store/server-store.ts';
import type { LiveSession, LiveSessions } from './live-sessions.ts';

/**
 * The live sessions of a network with several servers. What is asked, is asked of machines whose session is here: each server sees to
 * its own. What is sent goes to the others through the database, to their mailboxes.
 */
export class SharedSessions implements LiveSessions {
  readonly #server: string;
  readonly #local: LiveSessions;
  readonly #servers: Pick<ServerStore, 'post'>;

  /** @param server id of this one */
  constructor(server: string, local: LiveSessions, servers: Pick<ServerStore, 'post'>) {
    this.#server = server;
    this.#local = local;
    this.#servers = servers;
  }

  of(peer: string): LiveSession | undefined {
    return this.#local.of(peer);
  }

  ask(session: LiveSession, question: Message, options?: RequestOptions): Promise<Message> {
    return this.#local.ask(session, question, options);
  }

  async send(peers: Iterable<string>, message: Message): Promise<number> {
    const all = [...peers];
    const others = all.filter((peer) => this.#local.of(peer) === undefined);
    // First: when it fails, none has the message, and a repeat gives it to each machine once.
    const elsewhere = others.length === 0 ? 0 : await this.#servers.post(this.#server, others, message);
    return elsewhere + (await this.#local.send(all, message));
  }
}
