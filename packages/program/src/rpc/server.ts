import { chmod, rm } from 'node:fs/promises';
import {
  dial,
  FilerError,
  formatError,
  listen,
  Messenger,
  Session,
  unsupported,
  type AcceptedLink,
  type Listener,
  type Message,
} from '@filer/protocol';
import { describeFailure } from '../failure.ts';
import type { Home } from '../home.ts';
import { answerMessage, valueOf } from './wire.ts';

/** A call while it runs. */
export interface ControlCall {
  /** Hands one item to a caller that streams; await it, so that a slow reader holds back its own call. */
  readonly emit: (item: unknown) => Promise<void>;
  /** Aborted when the caller has gone away or the server closes. */
  readonly signal: AbortSignal;
}

/** What a method does. The params are unchecked. A FilerError reaches the caller with its code. */
export type ControlMethod = (params: unknown, call: ControlCall) => unknown;

export interface ControlServerOptions {
  /** By name. */
  readonly methods: Readonly<Record<string, ControlMethod>>;
  /** Told of what a method threw that is a fault of ours; its caller is told as well. */
  readonly onFault: (error: unknown) => void;
}

/** The daemon's side of the control socket. */
export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #sessions = new Map<Session, AbortController>();
  readonly #running = new Set<Promise<void>>();
  #listener: Listener | undefined;

  private constructor(options: ControlServerOptions) {
    this.#options = options;
  }

  /**
   * Listens on the home's control socket, for this user only. Hold the home's lock: a socket file that a dead
   * process left is removed.
   *
   * @throws FilerError `already-running` when somebody answers there, `address-unusable`
   */
  static async open(home: Home, options: ControlServerOptions): Promise<ControlServer> {
    const server = new ControlServer(options);
    const path = home.controlSocket;
    await removeDeadSocket(path);
    // From its first moment nobody else may connect; a umask is the only way to say so.
    const umask = process.umask(0o077);
    const listening = listen({ transport: 'unix', path }, { onConnection: (link) => server.#accept(link) });
    process.umask(umask);
    server.#listener = await listening;
    await chmod(path, 0o600);
    return server;
  }

  /** Stops accepting, aborts what runs, and waits until its answers are out. May be called twice. */
  async close(): Promise<void> {
    await this.#listener?.close();
    for (const controller of this.#sessions.values()) controller.abort(stopping());
    await Promise.all(this.#running);
    await Promise.all([...this.#sessions.keys()].map((session) => session.close()));
  }

  #accept(link: AcceptedLink): void {
    const controller = new AbortController();
    const session = new Session(new Messenger(link.socket), (message) =>
      this.#receive(message, session, controller.signal),
    );
    this.#sessions.set(session, controller);
    void session.closed.then(() => {
      this.#sessions.delete(session);
      controller.abort(new FilerError('interrupted', 'the command went away'));
    });
  }

  #receive(message: Message, session: Session, signal: AbortSignal): undefined {
    const { id, type, method = '' } = message.header;
    const run = Object.hasOwn(this.#options.methods, method) ? this.#options.methods[method] : undefined;
    if (type !== 'call' || id === undefined) throw unsupported(message.header);
    if (run === undefined) {
      throw new FilerError(
        'unsupported',
        `the running daemon has no "${method}": it may be another version, restart it`,
      );
    }
    const params = valueOf(message);
    // The next message is taken meanwhile: a call may run for as long as its caller stays.
    const running = this.#run(run, params, id, session, signal).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return undefined;
  }

  /** Never rejects. */
  async #run(
    method: ControlMethod,
    params: unknown,
    id: string,
    session: Session,
    signal: AbortSignal,
  ): Promise<void> {
    const emit = async (item: unknown) => {
      signal.throwIfAborted();
      const { header, content } = answerMessage(id, item, false);
      await session.notify(header, content);
    };
    try {
      const result = await method(params, { emit, signal });
      const { header, content } = answerMessage(id, result, true);
      await session.notify(header, content);
    } catch (error) {
      const { code, message } = describeFailure(error);
      // The caller may be gone, which is why it failed.
      await session.notify(formatError(new FilerError(code, message), id)).catch(() => undefined);
      if (code === 'internal' && error !== signal.reason) this.#options.onFault(error);
    }
  }
}

/** A socket file where nobody answers is a leftover. */
async function removeDeadSocket(path: string): Promise<void> {
  let answered: boolean;
  try {
    const { socket } = await dial({ transport: 'unix', path });
    socket.destroy();
    answered = true;
  } catch {
    answered = false;
  }
  if (answered) throw new FilerError('already-running', `another daemon answers on ${path}, stop it first`);
  await rm(path, { force: true });
}

function stopping(): FilerError {
  return new FilerError('terminated', 'the daemon is stopping');
}
