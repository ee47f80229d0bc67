import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLS_OVERHEAD_BYTES, WIRE_CHECK_MS } from '../limits.ts';

/**
 * Ends TLS connections on which much comes of which little can be read: each change of keys (RFC 8446, 4.6.3) and each empty
 * record costs work, and readers see none of it.
 */
export class WireWatch {
  /** Secured sockets, with what they are over. */
  readonly #watched = new Map<Socket, { readonly raw: Duplex; readonly bytesRead: () => number }>();
  readonly #factor: number;
  readonly #end: (raw: Duplex, secure: Socket, why: string) => void;
  readonly #timer = setInterval(() => this.check(), WIRE_CHECK_MS).unref();

  /**
   * @param factor bytes on the wire for each byte that is read
   * @param end destroys a connection
   */
  constructor(factor: number, end: (raw: Duplex, secure: Socket, why: string) => void) {
    this.#factor = factor;
    this.#end = end;
  }

  add(raw: Duplex, secure: Socket): void {
    this.#watched.set(secure, { raw, bytesRead: bytesReadOf(raw) });
    secure.once('close', () => this.#watched.delete(secure));
  }

  check(): void {
    for (const [secure, { raw, bytesRead }] of this.#watched) {
      if (bytesRead() <= TLS_OVERHEAD_BYTES + this.#factor * secure.bytesRead) continue;
      this.#end(raw, secure, `${bytesRead()} bytes came and ${secure.bytesRead} of them can be read`);
    }
  }

  /** Those that are left are their owners'. */
  close(): void {
    clearInterval(this.#timer);
  }
}

/** Of a stream that does not count it itself, counted from now on. */
function bytesReadOf(raw: Duplex): () => number {
  if (raw instanceof Socket) return () => raw.bytesRead;
  let bytes = 0;
  raw.on('data', (piece: Buffer) => (bytes += piece.length));
  return () => bytes;
}
