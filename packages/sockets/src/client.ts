import {
  dial,
  type DialOptions,
  type Endpoint,
  FilerError,
  Hub,
  type HubCallbacks,
  Messenger,
  type MessengerOptions,
} from '@filer/protocol';

export interface ClientOptions extends Omit<MessengerOptions, 'peerId'>, HubCallbacks {
  /** A place could not be connected to; `addConnection` throws the error too. */
  readonly onConnectFailed?: (endpoint: Endpoint, error: unknown) => void | Promise<void>;
}

/**
 * Any number of outgoing connections. Subclass it and override the callbacks, give callbacks as options, or iterate
 * it.
 */
export class Client extends Hub {
  readonly #options: ClientOptions;
  readonly #stopping = new AbortController();

  constructor(options: ClientOptions = {}) {
    super();
    this.callbacks = options;
    this.#options = options;
  }

  /** Called when an address could not be connected to. Override it. */
  protected onConnectFailed(endpoint: Endpoint, error: unknown): void | Promise<void> {
    return this.#options.onConnectFailed?.(endpoint, error);
  }

  /**
   * Connects to one more place.
   *
   * @throws FilerError `connect-failed`, `timed-out`, `identity-mismatch`, `connection-closed` when the client is
   *   stopped (after `onConnectFailed`)
   */
  async addConnection(endpoint: Endpoint, options: DialOptions = {}): Promise<Messenger> {
    let link;
    try {
      const { signal } = this.#stopping;
      const either = options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]);
      link = await dial(endpoint, { ...options, signal: either });
    } catch (error) {
      await this.onConnectFailed(endpoint, error);
      void this.tell({ type: 'connect-failed', endpoint, error });
      throw error;
    }
    const messenger = new Messenger(link.socket, { ...this.#options, peerId: link.peerId });
    void this.adopt(messenger);
    return messenger;
  }

  /** Gives up what is being dialled, then ends all connections in order. May be called twice. */
  override async stop(): Promise<void> {
    this.#stopping.abort(new FilerError('connection-closed', 'this client was stopped'));
    await super.stop();
  }
}
