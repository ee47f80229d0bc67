import {
  FilerError,
  listen,
  loadIdentity,
  Messenger,
  readHello,
  Session,
  UNAUTHENTICATED_OPTIONS,
  unsupported,
  type AcceptedLink,
  type Hello,
  type Identity,
  type Listener,
  type Message,
  type Reply,
} from '@filer/protocol';

/** What a stand-in answers a message of a client with. @throws FilerError what the client is told */
export type Answer = (message: Message) => Reply | undefined;

/** Has the key of an ip-server that has stopped, and writes down what a client tells it. */
export class ListeningServer implements AsyncDisposable {
  readonly hellos: Hello[] = [];
  readonly messages: Message[] = [];
  readonly #listener: Listener;
  readonly #answer: Answer;
  readonly #observed: string | undefined;
  #wake: (() => void)[] = [];

  private constructor(listener: Listener, answer: Answer, observed: string | undefined) {
    this.#listener = listener;
    this.#answer = answer;
    this.#observed = observed;
  }

  /** @param home of the server, which listened on `port` @param observed the address at which it says that it sees clients */
  static async open(home: string, port: number, answer: Answer, observed?: string): Promise<ListeningServer> {
    const identity = await loadIdentity(home);
    if (identity === undefined) throw new Error('the server was started before');
    const self: { server?: ListeningServer } = {};
    const listener = await listen(
      { transport: 'tls', host: '127.0.0.1', port, identity },
      { onConnection: (link) => void self.server?.serve(link, identity) },
    );
    self.server = new ListeningServer(listener, answer, observed);
    return self.server;
  }

  /** The first message of a type, past or to come, that fits. */
  async told(type: string, fits: (message: Message) => boolean = () => true): Promise<Message> {
    for (;;) {
      const found = this.messages.find((each) => each.header['type'] === type && fits(each));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Never rejects: a client may go away. */
  async serve(link: AcceptedLink, { id }: Identity): Promise<void> {
    const messenger = new Messenger(link.socket, { ...UNAUTHENTICATED_OPTIONS, peerId: link.peerId });
    try {
      const { hello, version, welcome } = await readHello(messenger);
      const { network, removals } = hello;
      this.hellos.push(hello);
      const software = id.slice(0, 8);
      const more = this.#observed === undefined ? {} : { observed: this.#observed };
      await welcome({ version, features: [], network, removals, software, heartbeatMs: 500, ...more });
      const session = new Session(messenger, (message) => {
        this.messages.push(message);
        for (const wake of this.#wake.splice(0)) wake();
        if (message.header['id'] === undefined) return undefined;
        const answer = this.#answer(message);
        if (answer === undefined) throw unsupported(message.header);
        return answer;
      });
      await session.closed;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
    } finally {
      messenger.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener.close();
  }
}
