import type { Message, RequestOptions } from '@filer/protocol';
import type { ServerStore } from '../store/server-store.ts';
import type { LiveSession, LiveSessions } from './live-sessions.ts';
import type { LocalSessions } from './local-sessions.ts';

/**
 * The live sessions of a network with several servers. What is asked, is asked of machines whose session is here: each server sees to
 * its own. What is sent goes to the others as a letter.
 */
export class SharedSessions implements LiveSessions {
  readonly #server: string;
  readonly #local: LocalSessions;
  readonly #servers: ServerStore;

  /** @param server id of this one */
  constructor(server: string, local: LocalSessions, servers: ServerStore) {
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
    const here = await this.#local.send(all, message);
    const others = all.filter((peer) => this.#local.of(peer) === undefined);
    if (others.length === 0) return here;
    return here + (await this.#servers.post(this.#server, others, message));
  }
}
