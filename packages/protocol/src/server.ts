import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, type ErrorCode } from './errors.ts';
import { addressBlockOf } from './fairness/address-block.ts';
import { processShares } from './fairness/process-shares.ts';
import { SESSION_LIMITS } from './handshake.ts';
import {
  MAX_UNAUTHENTICATED_BYTES,
  MAX_REFUSAL_DELAY_MS,
  REFUSAL_DELAY_MS,
  REFUSAL_LINGER_MS,
  TLS_MESSAGE_OVERHEAD_FACTOR,
} from './limits.ts';
import { Hub, type HubCallbacks } from './hub.ts';
import { Messenger, type MessengerOptions } from './messenger.ts';
import type { Hello } from './messages/session.ts';
import { giveProofOfEnd, levelRemovals, type RemovalLedger } from './removal-exchange.ts';
import type { AcceptedLink, Endpoint } from './transport/endpoint.ts';
import { listen, type Listener, type ListenOptions } from './transport/listen.ts';

/** Why a machine is no member any longer. */
const ENDED: ReadonlySet<ErrorCode> = new Set(['removed', 'not-a-member']);

export interface ServerOptions extends Omit<ListenOptions, 'onConnection' | 'allowHalfOpen'>, HubCallbacks {
  readonly messenger?: Omit<MessengerOptions, 'peerId'>;
}

/**
 * Many connections in. Subclass it and override the callbacks, give callbacks as options, or iterate it:
 *
 *     const server = await Server.listen({ transport: 'tcp', host: '::', port: 0 });
 *     for await (const event of server) { … }
 */
export class Server extends Hub {
  readonly #links = new WeakMap<Messenger, AcceptedLink>();
  #listener: Listener | undefined;

  /**
   * Opens a server of the class it is called on. When it resolves, connections are accepted.
   *
   * @throws FilerError `port-in-use`, `address-unusable`, or the reason of `options.signal`
   */
  static async listen(endpoint: Endpoint, options: ServerOptions = {}): Promise<Server> {
    return new this().open(endpoint, options);
  }

  /** Opens this server: for subclasses whose constructor takes arguments. */
  async open(endpoint: Endpoint, options: ServerOptions = {}): Promise<this> {
    this.callbacks = options;
    this.#listener = await listen(endpoint, {
      overheadFactor: TLS_MESSAGE_OVERHEAD_FACTOR,
      ...options,
      onConnection: (link) => {
        if (this.stopped) {
          link.socket.destroy();
          return;
        }
        const { socket, peerId, remote, path } = link;
        // Anyone can make a key: until it is admitted, who comes is charged by address.
        const holder = peerId === undefined ? undefined : addressBlockOf(remote);
        const maxUnauthenticatedBytes = peerId === undefined ? Infinity : MAX_UNAUTHENTICATED_BYTES;
        const own = { peerId, holder, remote, path, maxUnauthenticatedBytes };
        const messenger = new Messenger(socket, { ...options.messenger, ...own });
        link.onExpired((reason) => messenger.reject(reason));
        this.#links.set(messenger, link);
        void this.adopt(messenger);
      },
    });
    return this;
  }

  /** Where it listens, with the real port. */
  get addr(): Listener['address'] {
    if (this.#listener === undefined) throw new Error('this server was not opened');
    return this.#listener.address;
  }

  /** Takes in a raw connection that was opened elsewhere. @see Listener.accept */
  accept(stream: Duplex, remote: string, path?: string): void {
    if (this.#listener === undefined) throw new Error('this server was not opened');
    this.#listener.accept(stream, remote, path);
  }

  /** Stops accepting, then ends all connections in order. May be called twice. */
  override async stop(): Promise<void> {
    await this.#listener?.close();
    await super.stop();
  }

  /** By default everyone whose key was proved is admitted; override it to decide by what they say. */
  protected override serve(messenger: Messenger): Promise<void> {
    this.admit(messenger);
    return super.serve(messenger);
  }

  /** Does what may find that a machine has too many connections; it is told after a pause. @throws what `enter` throws */
  protected async holdBack(messenger: Messenger, enter: () => void): Promise<void> {
    try {
      enter();
    } catch (error) {
      const isTooMany = error instanceof FilerError && error.code === 'too-many-connections';
      if (!isTooMany) throw error;
      this.#links.get(messenger)?.hold(); // others of its address would wait for its turns
      await Promise.race([wait(refusalDelayMs(messenger), undefined, { ref: false }), messenger.closed]);
      // Its own end, which no one reads, is not waited for.
      setTimeout(() => messenger.destroy(), REFUSAL_LINGER_MS).unref();
      throw error;
    }
  }

  /**
   * Levels the lists of removals with a dialler that has shown that it is a member. What it sends is charged to it; its
   * time and its place are those of an unauthenticated peer until it is admitted.
   *
   * @throws FilerError as `levelRemovals`
   */
  protected async levelRemovals(messenger: Messenger, ledger: RemovalLedger, hello: Hello): Promise<void> {
    if (messenger.peerId !== undefined) messenger.chargeTo(messenger.peerId);
    messenger.setLimits(SESSION_LIMITS);
    await levelRemovals(messenger, ledger, hello);
  }

  /**
   * Decides whether a dialler is a member. One that was removed or has left gets what proves it before it is refused.
   *
   * @throws what `decide` throws
   */
  protected async requireMembership<T>(
    messenger: Messenger,
    ledger: RemovalLedger,
    hello: Hello,
    decide: () => T | Promise<T>,
  ): Promise<T> {
    try {
      return await decide();
    } catch (error) {
      const hasEnded = error instanceof FilerError && ENDED.has(error.code);
      if (hasEnded) await giveProofOfEnd(messenger, ledger, hello, messenger.peerId ?? '');
      throw error;
    }
  }

  /** Ends the time that an unauthenticated peer has to prove itself: for those who override `serve`. */
  protected admit(messenger: Messenger): void {
    this.#links.get(messenger)?.admit();
    if (messenger.peerId !== undefined) messenger.chargeTo(messenger.peerId);
  }
}

function refusalDelayMs({ peerId, id }: Messenger): number {
  const { refusals } = processShares;
  const [holder, now] = [peerId ?? id, performance.now()];
  refusals.take(holder, 1, now);
  return Math.min(MAX_REFUSAL_DELAY_MS, Math.max(REFUSAL_DELAY_MS, refusals.waitMs(holder, 1, now)));
}
