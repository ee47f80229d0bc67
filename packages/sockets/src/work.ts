import { type AcceptedLink, describeHostPort, FilerError } from '@filer/protocol';
import type { Datagram } from './listen-datagrams.ts';
import { CutOff } from './cut-off.ts';
import { runHandler, type ServiceContext, type ServiceHandler } from './request-handler.ts';
import { SocketStream } from './socket-stream.ts';

/** One request as the pool sees it. */
export interface Work {
  /** Who asks, for the log. */
  readonly from: string;
  /** Serves it to its end; called once at most. */
  run(context: ServiceContext): Promise<void>;
  /** Gives it up: it is not begun, or waited for no longer. */
  drop(reason: FilerError): void;
}

/** A connection: closed in order when its handler is done, cut when that threw. */
export class StreamWork implements Work {
  readonly from: string;
  readonly stream: SocketStream;
  readonly #handler: ServiceHandler<SocketStream>;
  readonly #idleTimeoutMs: number;
  readonly #cutOff = new CutOff();

  constructor(link: AcceptedLink, handler: ServiceHandler<SocketStream>, idleTimeoutMs: number) {
    this.stream = new SocketStream(link);
    this.from = this.stream.addr;
    this.#handler = handler;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  async run(context: ServiceContext): Promise<void> {
    if (this.#idleTimeoutMs > 0) this.stream.setIdleTimeout(this.#idleTimeoutMs);
    try {
      await runHandler(this.#handler, this.stream, context, this.#cutOff);
    } catch (error) {
      this.stream.destroy(error instanceof FilerError ? error : undefined);
      await this.stream.closed;
      throw error;
    }
    await this.stream.close();
  }

  drop(reason: FilerError): void {
    this.stream.destroy(reason);
    this.#cutOff.cut();
  }
}

/** A datagram. */
export class DatagramWork implements Work {
  readonly from: string;
  readonly #datagram: Datagram;
  readonly #handler: ServiceHandler<Datagram>;
  readonly #cutOff = new CutOff();

  constructor(datagram: Datagram, handler: ServiceHandler<Datagram>) {
    this.from = describeHostPort(datagram.from.host, datagram.from.port);
    this.#datagram = datagram;
    this.#handler = handler;
  }

  run(context: ServiceContext): Promise<void> {
    return runHandler(this.#handler, this.#datagram, context, this.#cutOff);
  }

  drop(): void {
    this.#cutOff.cut();
  }
}
