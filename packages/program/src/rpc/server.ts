import { chmod, rm } from 'node:fs/promises';
import {
  dial,
  FilerError,
  formatOwnError,
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
import { LOCAL_CALLER, methodOf, type Methods, type Served } from './implement.ts';
import { itemsMessage, resultMessage, valueOf } from './wire.ts';

export interface RpcServerOptions {
  readonly methods: Methods;
  /** Told about what a method threw that is a fault of ours; its caller is told as well. */
  readonly onFault: (error: unknown) => void;
}

interface Caller {
  /** Aborts all of its calls. */
  readonly controller: AbortController;
  /** Those that run, by the name that it gave them. */
  readonly calls: Map<string, AbortController>;
}

/** The daemon's side of the control socket. */
export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #sessions = new Map<Session, AbortController>();
  readonly #running = new Set<Promise<void>>();
  #listener: Listener | undefined;

  private constructor(options: RpcServerOptions) {
    this.#options = options;
  }

  /**
   * Listens on the home's control socket, for this user only. Hold the home's lock: a socket file that a dead
   * process left is removed.
   *
   * @throws FilerError `already-running` when a daemon answers there, `address-unusable`
   */
  static async open(home: Home, options: RpcServerOptions): Promise<RpcServer> {
    const server = new RpcServer(options);
    const path = home.controlSocket;
    await removeDeadSocket(path);
    // From its first moment no one else may connect; a umask is the only way to say so.
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
    const caller: Caller = { controller, calls: new Map() };
    const session = new Session(new Messenger(link.socket), (message) =>
      this.#receive(message, session, caller),
    );
    this.#sessions.set(session, controller);
    void session.closed.then(() => {
      this.#sessions.delete(session);
      controller.abort(gone());
    });
  }

  #receive(message: Message, session: Session, { controller, calls }: Caller): undefined {
    const { id, type, method = '', call = '' } = message.header;
    if (type === 'ping') {
      // Callers are not pinged: one that is suspended in a terminal keeps what it called.
      session.notify({ type: 'pong' }).catch(() => undefined);
      return undefined;
    }
    if (type === 'cancel') {
      calls.get(call)?.abort(gone());
      return undefined;
    }
    if (type !== 'call' || id === undefined) throw unsupported(message.header);
    const run = methodOf(this.#options.methods, method);
    const params = valueOf(message);
    const cancel = new AbortController();
    calls.set(call, cancel);
    const signal = AbortSignal.any([controller.signal, cancel.signal]);
    // The next message is taken meanwhile: a call may run for as long as its caller stays.
    const running = this.#run(run, params, id, session, signal).finally(() => {
      this.#running.delete(running);
      calls.delete(call);
    });
    this.#running.add(running);
    return undefined;
  }

  /** Never rejects. */
  async #run(
    method: Served,
    params: unknown,
    id: string,
    session: Session,
    signal: AbortSignal,
  ): Promise<void> {
    const emit = async (...items: readonly unknown[]) => {
      signal.throwIfAborted();
      const { header, content } = itemsMessage(id, items);
      await session.notify(header, content);
    };
    try {
      const result = await method(params, { caller: LOCAL_CALLER, emit, signal });
      const { header, content } = resultMessage(id, result);
      await session.notify(header, content);
    } catch (error) {
      const { code, message } = describeFailure(error);
      // The caller may be gone, which is why it failed.
      await session.notify(formatOwnError(new FilerError(code, message), id)).catch(() => undefined);
      if (code === 'internal' && error !== signal.reason) this.#options.onFault(error);
    }
  }
}

/** A socket file where no one answers is a leftover. */
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

function gone(): FilerError {
  return new FilerError('interrupted', 'the command went away');
}

function stopping(): FilerError {
  return new FilerError('terminated', 'the daemon is stopping');
}
