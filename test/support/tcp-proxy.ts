import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One direction of one connection: from who dialled (`forth`) or to it (`back`). */
type Direction = 'forth' | 'back';

/** One connection; a lost one carries nothing any more, and neither side is told. */
interface Pair {
  readonly near: Socket;
  isLost: boolean;
}

interface Hold {
  readonly atByte: number;
  readonly reached: () => void;
}

/**
 * A forwarder on 127.0.0.1 that stands between a dialler and its target and does to the bytes what bad networks
 * do. Counts and positions are those of the bytes of one direction, of the newest connection.
 */
export class TcpProxy implements AsyncDisposable {
  readonly address: string;
  /** `host:port`; the next connections go there. */
  target: string;
  /** Each piece waits so long before it continues. */
  delayMs = 0;
  /** Bytes that the newest connection has carried in the counted direction. */
  passed = 0;
  /** Connections so far. */
  connections = 0;
  readonly #server: Server;
  readonly #counted: Direction;
  readonly #sockets = new Set<Socket>();
  readonly #pairs = new Set<Pair>();
  #hold: Hold | undefined;
  #flipAt: number | undefined;
  #stalled = false;
  #resume: (() => void)[] = [];

  private constructor(server: Server, target: string, counted: Direction) {
    this.#server = server;
    this.#counted = counted;
    this.target = target;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => this.#forward(socket));
  }

  /**
   * @param target may be set later
   * @param counted the direction that is counted: as a rule from the dialler
   */
  static async open(target = '127.0.0.1:1', counted: Direction = 'forth'): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, target, counted);
  }

  /** Resolves when so many bytes have passed on a connection; nothing passes after that until `release`. */
  async hold(atByte: number): Promise<void> {
    await new Promise<void>((resolve) => (this.#hold = { atByte, reached: resolve }));
  }

  /** Nothing passes until `release`. */
  stall(): void {
    this.#stalled = true;
  }

  release(): void {
    this.#hold = undefined;
    this.#stalled = false;
    for (const resume of this.#resume.splice(0)) resume();
  }

  /** Turns one bit over, once. */
  flipBitAt(byte: number): void {
    this.#flipAt = byte;
  }

  /** Cuts every connection, as a cable that is pulled and a router that says so. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.release();
  }

  /** Leaves every connection half open, as a router that was restarted: what is sent on it is lost. */
  lose(): void {
    for (const pair of this.#pairs) pair.isLost = true;
    this.release();
  }

  /** Cuts the diallers off, as one that loses its address is; what they dialled is told nothing. */
  cutDiallers(): void {
    for (const pair of this.#pairs) {
      pair.isLost = true;
      pair.near.resetAndDestroy();
    }
    this.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #forward(near: Socket): void {
    const at = this.target.lastIndexOf(':');
    const far = connect({ host: this.target.slice(0, at), port: Number(this.target.slice(at + 1)) });
    this.connections++;
    this.passed = 0;
    const pair: Pair = { near, isLost: false };
    this.#pairs.add(pair);
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        this.#pairs.delete(pair);
        if (pair.isLost) return;
        near.destroy();
        far.destroy();
      });
    }
    void this.#pump('forth', near, far, pair);
    void this.#pump('back', far, near, pair);
  }

  /** Never rejects: a connection that is gone is told by `close`. */
  async #pump(direction: Direction, from: Socket, to: Socket, pair: Pair): Promise<void> {
    try {
      for await (const piece of from.iterator({ destroyOnReturn: false })) {
        const bytes = piece as Buffer;
        if (direction === this.#counted) this.#count(bytes);
        if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
        if (pair.isLost) continue;
        while (this.#stalled) await new Promise<void>((resolve) => this.#resume.push(resolve));
        await new Promise<void>((resolve, reject) => {
          to.write(bytes, (error) => (error ? reject(error) : resolve()));
        });
      }
      if (pair.isLost) from.end();
      else to.end();
    } catch {
      if (!pair.isLost) to.destroy();
    }
  }

  #count(bytes: Buffer): void {
    const flip = (this.#flipAt ?? Infinity) - this.passed;
    if (flip < bytes.length) {
      bytes.writeUInt8(bytes.readUInt8(flip) ^ 1, flip);
      this.#flipAt = undefined;
    }
    this.passed += bytes.length;
    if (this.#hold !== undefined && this.passed >= this.#hold.atByte) {
      this.#stalled = true;
      this.#hold.reached();
      this.#hold = undefined;
    }
  }
}
