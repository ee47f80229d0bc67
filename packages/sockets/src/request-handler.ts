import type { Listener } from '@filer/protocol';
import type { Datagram } from './listen-datagrams.ts';
import type { CutOff } from './cut-off.ts';
import type { SocketStream } from './socket-stream.ts';

/** What a handler is told about the service that runs it. */
export interface ServiceContext {
  /** Where the service listens. */
  readonly address: Listener['address'];
  /** Aborts when the service closes: a handler that waits for anything else ends now. */
  readonly signal: AbortSignal;
}

/** One request: a connection, or a datagram. */
export type ServiceRequest = SocketStream | Datagram;

/**
 * Handles one connection or datagram: one instance for each. Subclass it, or `StreamHandler` or `DatagramHandler`,
 * and give the class to `serve`.
 */
export abstract class RequestHandler<R extends ServiceRequest = SocketStream> {
  readonly request: R;
  readonly context: ServiceContext;

  constructor(request: R, context: ServiceContext) {
    this.request = request;
    this.context = context;
  }

  /** Called first; when it throws, nothing else is. Override it. */
  protected setup(): void | Promise<void> {}

  /** The work. When it is done (and `finish` too) a connection is closed. */
  protected abstract handle(): void | Promise<void>;

  /** Called after `handle` whatever that did: returned, threw, or was cut off by the service's end. Override it. */
  protected finish(): void | Promise<void> {}

  /** @param cutOff when `handle` is no longer waited for */
  async run(cutOff: CutOff): Promise<void> {
    await this.setup();
    try {
      await cutOff.wait(this.handle());
    } finally {
      await this.finish();
    }
  }
}

/** A connection with lines in and text or bytes out, both with backpressure. */
export abstract class StreamHandler extends RequestHandler {
  /** Lines until the other side ends, as `SocketStream.readLine` reads them. */
  protected lines(maxBytes?: number): AsyncGenerator<string, void, void> {
    return this.request.lines(maxBytes);
  }

  /** @returns undefined at the end */
  protected readLine(maxBytes?: number): Promise<string | undefined> {
    return this.request.readLine(maxBytes);
  }

  /** Resolves when there is room for more. */
  protected write(bytes: Uint8Array | string): Promise<void> {
    return this.request.write(bytes);
  }
}

/** A datagram and an answer to it. */
export abstract class DatagramHandler extends RequestHandler<Datagram> {
  protected get bytes(): Buffer {
    return this.request.bytes;
  }

  protected reply(bytes: Uint8Array | string): Promise<void> {
    return this.request.reply(bytes);
  }
}

/** A class of handlers. */
export type HandlerClass<R extends ServiceRequest> = new (
  request: R,
  context: ServiceContext,
) => RequestHandler<R>;

/**
 * A plain function; it may return a handler to be run, for classes whose constructor takes more:
 * `(request, context) => new Greeter(request, context, names)`.
 */
export type HandlerFunction<R extends ServiceRequest> = (
  request: R,
  context: ServiceContext,
) => void | RequestHandler<R> | Promise<void | RequestHandler<R>>;

/** What handles requests: a class where there is a life cycle, a function where a class is too much. */
export type ServiceHandler<R extends ServiceRequest> = HandlerClass<R> | HandlerFunction<R>;

/** Runs a handler for one request, to its end or until it is cut off. */
export async function runHandler<R extends ServiceRequest>(
  handler: ServiceHandler<R>,
  request: R,
  context: ServiceContext,
  cutOff: CutOff,
): Promise<void> {
  if (isHandlerClass(handler)) return new handler(request, context).run(cutOff);
  const made = await cutOff.wait(handler(request, context));
  if (made instanceof RequestHandler) await made.run(cutOff);
}

function isHandlerClass<R extends ServiceRequest>(handler: ServiceHandler<R>): handler is HandlerClass<R> {
  return handler.prototype instanceof RequestHandler;
}
