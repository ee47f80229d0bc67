import { randomBytes } from 'node:crypto';
import { FilerError, type Messenger } from '@filer/protocol';

/** A peer that was asked and could not is not asked again for so long, in ms. */
const NOT_AGAIN_MS = 10 * 60_000;

interface Awaited {
  readonly peerId: string;
  readonly resolve: (messenger: Messenger) => void;
}

/** A connection that a peer was asked to open. Disposed of, it is no longer taken. */
export interface AskedBack extends Disposable {
  readonly token: string;
  readonly connection: Promise<Messenger>;
}

/**
 * Connections that peers were asked to open to this machine, each with a token for one use: who receives much
 * reads it faster over a connection that it opened.
 */
export class CallBacks {
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

  /** It was asked, and its connection did not come. */
  failed(peerId: string, now: number): void {
    this.#failedAt.set(peerId, now);
  }

  ask(peerId: string): AskedBack {
    const token = randomBytes(32).toString('base64url');
    const { promise, resolve } = Promise.withResolvers<Messenger>();
    this.#awaited.set(token, { peerId, resolve });
    return { token, connection: promise, [Symbol.dispose]: () => void this.#awaited.delete(token) };
  }

  /**
   * A peer opened a connection that it says it was asked for.
   *
   * @returns what hands the connection over, once it was welcomed
   * @throws FilerError `refused` when nobody waits for it
   */
  take(token: string, peerId: string): (messenger: Messenger) => void {
    const awaited = this.#awaited.get(token);
    if (awaited?.peerId !== peerId) throw new FilerError('refused', 'nobody waits for this connection');
    this.#awaited.delete(token);
    return awaited.resolve;
  }
}
