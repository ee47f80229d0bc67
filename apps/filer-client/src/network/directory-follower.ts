import { messageOf, type DirectoryPage, type FilerError } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { pullDirectory, takeBroadcast } from './directory-sync.ts';
import type { Member } from './member.ts';
import type { ServerSession } from './server-dial.ts';

/** Follows the directory over the sessions with the server: by its broadcasts, and by pulls where one is missing. */
export class DirectoryFollower {
  readonly #member: Member;
  readonly #log: Logger;
  #syncing: Promise<void> = Promise.resolve();

  constructor(member: Member, log: Logger) {
    this.#member = member;
    this.#log = log;
  }

  /** Pulls one after the other: a broadcast that leaves a gap can come while one runs. @throws FilerError of the session */
  pull(server: ServerSession): Promise<void> {
    const { epoch, seq } = server.welcome;
    if (epoch === undefined || seq === undefined) return Promise.resolve();
    const pulled = this.#syncing.then(() =>
      pullDirectory(this.#member, server.session, { epoch, seq }, this.#refused, (time) =>
        this.#witness(server, time),
      ),
    );
    this.#syncing = pulled.catch(() => undefined);
    return pulled;
  }

  /** The server broadcasts what has changed. @param server undefined before it has welcomed this machine */
  take(page: DirectoryPage, server: ServerSession | undefined): void {
    const member = this.#member;
    if (server !== undefined) this.#witness(server, page.time);
    const changed = takeBroadcast(member, page, this.#refused);
    for (const { id, name, state } of changed ?? []) {
      if (id !== member.id) member.events.publish('presence', { id, name, state });
    }
    if (changed !== undefined || server === undefined) return;
    this.pull(server).catch((error: unknown) => {
      this.#log.warn('the directory could not be pulled', { error: messageOf(error) });
      server.session.messenger.destroy();
    });
  }

  /** Resolves when no pull runs. */
  async settled(): Promise<void> {
    await this.#syncing;
  }

  /** The server's clock confirms this machine's, or does not; a server on this machine has the same clock. */
  #witness({ overLoopback, server }: ServerSession, time: number): void {
    if (!overLoopback) this.#member.clock.witness(server, time);
  }

  readonly #refused = (error: FilerError): void =>
    this.#log.warn('an entry of the directory was refused', { error });
}
