import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  FilerError,
  formatError,
  listen,
  loadIdentity,
  Messenger,
  parseJson,
  parseMembership,
  readHello,
  UNAUTHENTICATED_OPTIONS,
  fieldsOf,
  type Listener,
  type Membership,
  type AcceptedLink,
  type Identity,
} from '@filer/protocol';
import { Hand } from '../transfer/by-hand.ts';

/** What an evil peer does with one connection, once it is welcomed or instead. */
export type Evil = (peer: {
  readonly hand: Hand;
  readonly identity: Identity;
  readonly network: string;
}) => Promise<void>;

/** A member with a true identity whose program is not ours: welcomes who comes and then does as it likes. */
export class EvilPeer implements AsyncDisposable {
  readonly #listener: Listener;
  /** What it does next; a refusal of the hello itself is a FilerError. */
  does: Evil | FilerError = new FilerError('refused', 'nothing was set');

  private constructor(listener: Listener) {
    this.#listener = listener;
  }

  /** @param home of a client that has joined @param port where others look for it */
  static async open(home: string, port = 0): Promise<EvilPeer> {
    const identity = await loadIdentity(home);
    if (identity === undefined) throw new Error('it has joined');
    const file = fieldsOf(parseJson(await readFile(join(home, 'membership.json')), 'file', 1e6), 'file');
    const membership = parseMembership(file['membership']);
    const self: { peer?: EvilPeer } = {};
    const listener = await listen(
      { transport: 'tls', host: '127.0.0.1', port, identity },
      { onConnection: (link) => void self.peer?.serve(link, identity, membership) },
    );
    self.peer = new EvilPeer(listener);
    return self.peer;
  }

  get address(): string {
    const { address } = this.#listener;
    return `127.0.0.1:${'port' in address ? address.port : 0}`;
  }

  /** Never rejects: whatever it does, the other side judges. */
  async serve(link: AcceptedLink, identity: Identity, membership: Membership): Promise<void> {
    const messenger = new Messenger(link.socket, { ...UNAUTHENTICATED_OPTIONS, peerId: link.peerId });
    try {
      const { hello, version, welcome } = await readHello(messenger);
      const { does } = this;
      if (does instanceof FilerError) {
        await messenger.send(formatError(does, '0'));
        return;
      }
      const { network } = membership;
      await welcome({
        version,
        features: [],
        network,
        removals: hello.removals,
        software: 'evil',
        membership,
      });
      await does({ hand: new Hand(messenger), identity, network });
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
    } finally {
      await messenger.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
  }
}
