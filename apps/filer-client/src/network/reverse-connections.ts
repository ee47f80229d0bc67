import { randomBytes } from 'node:crypto';
import { aborted, FilerError, pause, type Messenger } from '@filer/protocol';

/** The word in `features` for reverse connections. */
export const REVERSE = 'call-back';

/** A peer that was asked and could not is not asked again for so long, in ms. */
const NOT_AGAIN_MS = 10 * 60_000;

/** How long the sender waits for the reverse connection, in ms. */
const WAIT_MS = 3_000;

interface Awaited {
  readonly peerId: string;
  readonly resolve: (messenger: Messenger) => void;
}

/** A request to a peer to open a connection to this machine. Disposed of, its token is worth nothing. */
export interface ReverseRequest extends Disposable {
  /** For one use. */
  readonly token: string;
  /**
   * Waits for the reverse connection, a bounded time.
   *
   * @param first the connection on which the peer was asked; its first message says that the peer cannot. Undefined where another
   *   one asks it
   * @returns undefined when it does not come; one that comes later is closed
   */
  connection(first: Messenger | undefined, signal: AbortSignal): Promise<Messenger | undefined>;
}

/**
 * Requests for reverse connections: the side that receives much reads it faster over a connection that it opened itself
 * (see `reuseReads`).
 */
export class ReverseConnections {
  readonly #awaited = new Map<string, Awaited>();
  readonly #failedAt = new Map<string, number>();
  #listens = false;

  /** This machine accepts connections of peers from now on. */
  listen(): void {
    this.#listens = true;
  }

  /** Whether asking this peer makes sense. @param now ms of a clock that does not jump */
  mayAsk(peerId: string, now: number): boolean {
    return this.#listens && now - (this.#failedAt.get(peerId) ?? -Infinity) >= NOT_AGAIN_MS;
  }

  /** It was opened, and carried nothing. */
  failed(peerId: string): void {
    this.#failedAt.set(peerId, performance.now());
  }

  request(peerId: string): ReverseRequest {
    const token = randomBytes(32).toString('base64url');
    const { promise, resolve } = Promise.withResolvers<Messenger>();
    this.#awaited.set(token, { peerId, resolve });
    return {
      token,
      connection: async (first, signal) => {
        const refused = first === undefined ? aborted(signal) : refusalOn(first);
        const connection = await firstOf(promise, refused, signal);
        if (connection !== undefined) return connection;
        if (!signal.aborted && first !== undefined) this.failed(peerId);
        void promise.then((late) => late.destroy()); // it was welcomed just now: both sides would wait
        return undefined;
      },
      [Symbol.dispose]: () => void this.#awaited.delete(token),
    };
  }

  /**
   * Takes a connection that a peer opened on request.
   *
   * @returns what hands the connection over, once it was welcomed
   * @throws FilerError `refused` when it was not requested
   */
  take(token: string, peerId: string): (messenger: Messenger) => void {
    const awaited = this.#awaited.get(token);
    if (awaited?.peerId !== peerId)
      throw new FilerError('refused', 'this machine has not asked for this connection, or has given it up');
    this.#awaited.delete(token);
    return awaited.resolve;
  }
}

/** Resolves with the first message: the peer cannot. It is read here also when it comes late. */
async function refusalOn(first: Messenger): Promise<void> {
  await first[Symbol.asyncIterator]().next();
}

async function firstOf(
  connection: Promise<Messenger>,
  refusal: Promise<void>,
  signal: AbortSignal,
): Promise<Messenger | undefined> {
  const decided = new AbortController();
  const givenUp = pause(WAIT_MS, AbortSignal.any([signal, decided.signal]));
  try {
    return await Promise.race([connection, Promise.race([refusal, givenUp]).then(() => undefined)]);
  } finally {
    decided.abort();
  }
}
