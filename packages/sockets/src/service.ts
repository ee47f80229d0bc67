import { addAbortListener } from 'node:events';
import {
  connectionLimit,
  type Endpoint,
  FilerError,
  listen,
  type Listener,
  type ListenOptions,
  type UdpEndpoint,
} from '@filer/protocol';
import { MAX_WAITING_REQUESTS, SERVICE_CLOSE_MS, STREAM_CLOSE_MS } from './limits.ts';
import { listenDatagrams, type Datagram, type DatagramListenOptions } from './listen-datagrams.ts';
import { RequestPool } from './request-pool.ts';
import type { ServiceContext, ServiceHandler } from './request-handler.ts';
import type { SocketStream } from './socket-stream.ts';
import { DatagramWork, StreamWork, type Work } from './work.ts';

/** What services on every transport take. */
interface BoundOptions {
  /** Connections or datagrams served at once. @default connectionLimit() */
  readonly maxServed?: number;
  /** What waits in order for a free place; beyond, it is refused. @default MAX_WAITING_REQUESTS */
  readonly maxWaiting?: number;
  /** Called for each connection or datagram that was refused or dropped, for the log. */
  readonly onRefused?: (address: string, why: string) => void;
  /**
   * Called when a handler threw, which ends its own request only. Must not throw.
   *
   * @default a FilerError (the other side left, say) is passed over; anything else is a bug and ends the process as
   *   an unhandled rejection
   */
  readonly onFailed?: (error: unknown, from: string) => void;
}

export interface ServiceOptions
  extends BoundOptions, Omit<ListenOptions, 'onConnection' | 'allowHalfOpen' | 'onRefused'> {
  /** Silence in both directions before a served connection is destroyed, in ms; 0 never. @default 0 */
  readonly idleTimeoutMs?: number;
}

export interface DatagramServiceOptions
  extends BoundOptions, Omit<DatagramListenOptions, 'onDatagram' | 'onRefused'> {}

/**
 * A bounded service on any transport: one handler for each connection or datagram, so many at once, the rest
 * waiting in order. `serve` and `serveDatagrams` open one that serves all that comes.
 */
export class Service implements ServiceContext, AsyncDisposable {
  readonly #pool: RequestPool;
  readonly #aborting = new AbortController();
  /** Those who wait for one request to be served, and are told when none will be. */
  readonly #takers = new Set<(reason: FilerError) => void>();
  #listener: Pick<Listener, 'address' | 'close'> | undefined;
  #forever: PromiseWithResolvers<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: BoundOptions) {
    const { maxServed = connectionLimit(), maxWaiting = MAX_WAITING_REQUESTS } = options;
    const { onRefused = () => undefined, onFailed = passOver } = options;
    this.#pool = new RequestPool({ maxServed, maxWaiting, onRefused, onFailed }, this);
  }

  /**
   * Listens for connections, and serves nothing yet: what comes waits for `handleRequest` or `serveForever`.
   *
   * @throws FilerError `port-in-use`, `address-unusable`, or the reason of `options.signal`
   */
  static async listen(
    endpoint: Endpoint,
    handler: ServiceHandler<SocketStream>,
    options: ServiceOptions = {},
  ): Promise<Service> {
    const { idleTimeoutMs = 0 } = options;
    const service = new Service(options);
    service.#listener = await listen(endpoint, {
      ...options,
      // A client that has sent all may still wait for the answer.
      allowHalfOpen: true,
      onConnection: (link) => {
        link.admit();
        const work = new StreamWork(link, handler, idleTimeoutMs);
        if (service.#offer(work)) void work.stream.closed.then(() => service.#pool.leave(work));
      },
    });
    return service;
  }

  /** The same for datagrams. */
  static async listenDatagrams(
    endpoint: UdpEndpoint,
    handler: ServiceHandler<Datagram>,
    options: DatagramServiceOptions = {},
  ): Promise<Service> {
    const service = new Service(options);
    service.#listener = await listenDatagrams(endpoint, {
      ...options,
      onDatagram: (datagram) => void service.#offer(new DatagramWork(datagram, handler)),
    });
    return service;
  }

  /** Where it listens, with the real port. */
  get address(): Listener['address'] {
    if (this.#listener === undefined) throw new Error('this service is not listening yet');
    return this.#listener.address;
  }

  /** Aborts when the service closes. */
  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  /** Requests being served now. */
  get serving(): number {
    return this.#pool.serving;
  }

  /** Requests that wait for a free place. */
  get waiting(): number {
    return this.#pool.waiting;
  }

  /** Requests served to their end, and refused, since it listens. */
  get served(): number {
    return this.#pool.served;
  }

  get refused(): number {
    return this.#pool.refused;
  }

  /**
   * Serves exactly one request: the first that waits, or the next to come. Resolves when its handler is done,
   * whatever became of it.
   *
   * @param options.signal gives up the waiting; a request that was begun is served to its end
   * @throws FilerError `connection-closed` when the service closes before one came, or the reason of the signal
   */
  async handleRequest(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw closedError();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const takeBack = this.#pool.take(resolve);
    const giveUp = (reason: unknown): void => {
      if (takeBack()) reject(reason);
    };
    using _listener = signal && addAbortListener(signal, () => giveUp(signal.reason));
    this.#takers.add(giveUp);
    try {
      await promise;
    } finally {
      this.#takers.delete(giveUp);
    }
  }

  /**
   * Serves all that comes. Resolves after `shutdown` or `close`.
   *
   * @throws FilerError `connection-closed` when it is closed already
   */
  serveForever(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closedError());
    this.#forever ??= Promise.withResolvers();
    this.#pool.servesAll = true;
    return this.#forever.promise;
  }

  /** Ends `serveForever`: what is served continues, what comes waits. It may be called again later. */
  shutdown(): void {
    this.#pool.servesAll = false;
    this.#forever?.resolve();
    this.#forever = undefined;
  }

  /**
   * Stops listening, refuses what waits, and lets what is served end by itself for a while (`signal` tells the
   * handlers); then cuts it off. Resolves when nothing is left. May be called twice.
   *
   * @param options.graceMs 0 cuts off at once @default SERVICE_CLOSE_MS
   */
  close(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.graceMs ?? SERVICE_CLOSE_MS);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    const reason = closedError();
    this.shutdown();
    await this.#listener?.close();
    for (const giveUp of this.#takers) giveUp(reason);
    this.#pool.refuseWaiting(reason);
    this.#aborting.abort(reason);
    if (graceMs > 0) await within(graceMs, this.#pool.idle());
    this.#pool.dropServed(reason);
    await within(STREAM_CLOSE_MS, this.#pool.idle());
  }

  #offer(work: Work): boolean {
    if (this.#closing === undefined) return this.#pool.offer(work);
    work.drop(closedError());
    return false;
  }
}

/** Opens a service that serves every connection. @throws FilerError as `Service.listen` does */
export async function serve(
  endpoint: Endpoint,
  handler: ServiceHandler<SocketStream>,
  options?: ServiceOptions,
): Promise<Service> {
  const service = await Service.listen(endpoint, handler, options);
  void service.serveForever();
  return service;
}

/** Opens a service that serves every datagram. @throws FilerError as `Service.listenDatagrams` does */
export async function serveDatagrams(
  endpoint: UdpEndpoint,
  handler: ServiceHandler<Datagram>,
  options?: DatagramServiceOptions,
): Promise<Service> {
  const service = await Service.listenDatagrams(endpoint, handler, options);
  void service.serveForever();
  return service;
}

function passOver(error: unknown): void {
  if (!(error instanceof FilerError)) void Promise.reject(error);
}

function closedError(): FilerError {
  return new FilerError('connection-closed', 'this service is closed');
}

/** Waits for `done`, for so long at most. */
async function within(ms: number, done: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([done, promise]);
  clearTimeout(timer);
}
