import type { Socket } from 'node:net';
import { TLS_OVERHEAD_BYTES, WIRE_CHECK_MS } from '../limits.ts';

/**
 * Ends TLS connections on which much comes of which little can be read: each change of keys (RFC 8446, 4.6.3) and each empty
 * record costs work, and readers see none of it.
 */
export class WireWatch {
  /** Secured sockets, with the raw ones below them. */
  readonly #watched = new Map<Socket, Socket>();
  readonly #factor: number;
  readonly #end: (socket: Socket, why: string) => void;
  readonly #timer = setInterval(() => this.check(), WIRE_CHECK_MS).unref();

  /**
   * @param factor bytes on the wire for each byte that is read
   * @param end destroys a connection
   */
  constructor(factor: number, end: (socket: Socket, why: string) => void) {
    this.#factor = factor;
    this.#end = end;
  }

  add(raw: Socket, secure: Socket): void {
    this.#watched.set(secure, raw);
    secure.once('close', () => this.#watched.delete(secure));
  }

  check(): void {
    for (const [secure, raw] of this.#watched) {
      if (raw.bytesRead <= TLS_OVERHEAD_BYTES + this.#factor * secure.bytesRead) continue;
      this.#end(secure, `${raw.bytesRead} bytes came and ${secure.bytesRead} of them can be read`);
    }
  }

  /** Those that are left are their owners'. */
  close(): void {
    clearInterval(this.#timer);
  }
}
