import { AsyncLocalStorage } from 'node:async_hooks';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { FilerError, messageOf } from '../errors.ts';
import { addressBlockOf } from '../fairness/address-block.ts';
import { processShares } from '../fairness/process-shares.ts';
import { Shares } from '../fairness/shares.ts';
import { MAX_READ_FREELY, TLS_OVERHEAD_BYTES, TLS_OVERHEAD_FACTOR, WIRE_CHECK_MS } from '../limits.ts';
import type { Identity } from '../trust/identity.ts';
import { AdmissionControl, type AdmissionOptions } from './admission-control.ts';
import type { AcceptedLink } from './endpoint.ts';
import { onFirstRecord } from './first-record.ts';
import { ReadTurns } from './read-turns.ts';
import { ALPN, provenId, secureOptionsOf } from './tls-context.ts';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface TlsAcceptorOptions extends AdmissionOptions {
  readonly onConnection: (link: AcceptedLink) => void;
  /** @default TLS_OVERHEAD_FACTOR */
  readonly overheadFactor?: number;
  readonly onRelay?: RelayDoor | undefined;
}

/**
 * Takes a connection in that is to be joined with another one, after the frame that says so. Must not throw.
 *
 * @returns whether its token admits it; it is destroyed otherwise
 */
export type RelayDoor = (stream: Duplex, token: string) => boolean;

/** A connection below TLS. */
interface Raw {
  /** Undefined once it was handed out: what the connection begins later runs in the same context, and may outlive it. */
  stream: Duplex | undefined;
  readonly remote: string;
  readonly path: string | undefined;
}

/** Secures connections that were accepted, over whatever stream, and hands out those whose other side has proved a key. */
export class TlsAcceptor {
  readonly #options: TlsAcceptorOptions;
  readonly #tls: Server;
  readonly #admission: AdmissionControl;
  readonly #wires: WireWatch;
  readonly #reads = new ReadTurns();
  /** Admitted connections that are read whenever something comes, of each machine. */
  readonly #readFreely = new Shares({ perHolder: MAX_READ_FREELY, inAll: Infinity });
  /** Node does not say which stream a secured socket is over: all of a handshake runs in the context of its stream. */
  readonly #handshakes = new AsyncLocalStorage<Raw>();

  constructor(identity: Identity, options: TlsAcceptorOptions) {
    this.#options = options;
    this.#admission = new AdmissionControl(options);
    this.#wires = new WireWatch(options.overheadFactor ?? TLS_OVERHEAD_FACTOR, (raw, secure, why) => {
      this.#admission.refuse(raw, why, secure, new FilerError('rate-limited', why));
    });
    this.#tls = createServer({
      ...secureOptionsOf(identity),
      ALPNProtocols: [ALPN],
      requestCert: true,
      // Self-signed by design: `provenId` decides, by key.
      rejectUnauthorized: false,
    });
    this.#tls.on('tlsClientError', (error, secure) => {
      const [what = ''] = messageOf(error).split('\n');
      this.#refuse(secure, `it made no TLS handshake of ours (${what})`);
    });
    this.#tls.on('secureConnection', (secure) => this.#secured(secure));
  }

  /** @param remote undefined for a connection that ended before it was looked at @param path @see AcceptedLink */
  accept(stream: Duplex, remote: string | undefined, path?: string): void {
    const admission = this.#admission;
    if (!admission.enter(stream, remote) || remote === undefined) return;
    const { onRelay } = this.#options;
    onFirstRecord(stream, onRelay !== undefined, (beginning) => {
      if (beginning.is === 'wrong') {
        admission.refuse(stream, `it made no TLS handshake of ours (${beginning.problem})`);
        return;
      }
      if (beginning.is === 'relay') {
        if (onRelay?.(stream, beginning.token) === true) admission.admit(stream);
        else
          admission.refuse(
            stream,
            'it named a token for a relayed connection that is unknown, used or too old',
          );
        return;
      }
      admission.step(stream, true);
      // A signature each: address blocks have their turns, beside those of members.
      const turn = `handshakes ${addressBlockOf(remote)}`;
      void processShares.turns.run(turn, () => this.#shakeHands({ stream, remote, path }));
    });
  }

  #shakeHands(raw: Raw): void {
    const { stream } = raw;
    if (stream === undefined || stream.destroyed) return;
    this.#handshakes.run(raw, () => this.#tls.emit('connection', stream));
    this.#reads.add(stream, addressBlockOf(raw.remote));
    this.#admission.step(stream, false);
  }

  #refuse(secure: TLSSocket, why: string): void {
    const { stream } = this.#handshakes.getStore() ?? {};
    if (stream === undefined) {
      secure.destroy(); // its stream is gone, which has been told
      return;
    }
    secure.once('close', () => stream.destroy());
    this.#admission.refuse(stream, why, secure);
  }

  #secured(secure: TLSSocket): void {
    const raw = this.#handshakes.getStore();
    let peerId: string;
    try {
      peerId = provenId(secure);
    } catch (error) {
      this.#refuse(secure, messageOf(error));
      return;
    }
    if (raw?.stream === undefined) throw new Error('a handshake runs in the context of its stream');
    if (processShares.overhead.left(peerId, performance.now()) < 1) {
      this.#refuse(secure, 'its connections of the last minutes changed TLS keys thousands of times');
      return;
    }
    const { stream, remote, path } = raw;
    raw.stream = undefined;
    const admission = this.#admission;
    secure.once('close', () => stream.destroy());
    this.#wires.add(stream, secure);
    this.#reads.secured(stream, secure);
    let isAdmitted = false;
    let expire: (reason: FilerError) => void = () => void secure.destroy();
    admission.handOut(stream, (reason) => expire(reason));
    this.#options.onConnection({
      socket: secure,
      peerId,
      remote,
      path,
      admit: () => {
        if (isAdmitted) return;
        isAdmitted = true;
        admission.admit(stream);
        this.#wires.chargeTo(secure, peerId);
        if (!this.#readFreely.tryAdd(peerId, 1)) return; // it is read in its turns
        secure.once('close', () => this.#readFreely.giveBack(peerId, 1));
        this.#reads.release(stream);
      },
      hold: () => this.#reads.hold(stream),
      onExpired: (end) => void (expire = end),
    });
  }

  /** Destroys those that were not admitted yet. */
  close(): void {
    this.#wires.close();
    this.#admission.close();
  }
}

/** One connection, and how much has come of which nothing could be read. */
interface Watched {
  readonly raw: Duplex;
  readonly bytesRead: () => number;
  /** The machine that answers for it. */
  holder: string | undefined;
  wire: number;
  read: number;
  excess: number;
}

/**
 * Ends TLS connections on which much comes of which little can be read: each change of keys (RFC 8446, 4.6.3) and each empty
 * record costs work, and readers see none of it. What could be read before makes up for nothing that comes later.
 */
export class WireWatch {
  /** Secured sockets, with what they are over. */
  readonly #watched = new Map<Socket, Watched>();
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
    this.#watched.set(secure, {
      raw,
      bytesRead: bytesReadOf(raw),
      holder: undefined,
      wire: 0,
      read: 0,
      excess: 0,
    });
    secure.once('close', () => this.#watched.delete(secure));
  }

  /** A connection that is ended from now on counts against this machine. */
  chargeTo(secure: Socket, holder: string): void {
    const watched = this.#watched.get(secure);
    if (watched !== undefined) watched.holder = holder;
  }

  check(): void {
    for (const [secure, watched] of this.#watched) {
      const wire = watched.bytesRead();
      if (wire === watched.wire) continue; // as most, most of the time
      const read = secure.bytesRead;
      const came = wire - watched.wire - this.#factor * (read - watched.read);
      watched.excess = Math.max(0, watched.excess + came);
      watched.wire = wire;
      watched.read = read;
      if (watched.excess <= TLS_OVERHEAD_BYTES) continue;
      this.#watched.delete(secure);
      if (watched.holder !== undefined) processShares.overhead.take(watched.holder, 1, performance.now());
      this.#end(watched.raw, secure, `${wire} bytes came and ${read} of them can be read`);
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
