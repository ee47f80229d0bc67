import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import { listenError, type HostPort } from '@filer/protocol';
import { boundConnections } from './connections.ts';
import type { HttpListen, HttpTls } from './http-options.ts';
import {
  HTTP_CLOSE_MS,
  HTTP_HEADERS_MS,
  HTTP_KEEP_ALIVE_MS,
  HTTP_SILENT_MS,
  MAX_HTTP_HEADER_BYTES,
  MAX_HTTP_HEADERS,
} from './limits.ts';

const TLS_BOUNDS = { minVersion: 'TLSv1.2' } as const;

/** Node's server for HTTP, with or without TLS, with bounds for what comes before a request is known. */
export class BoundServer {
  readonly #server: Server | TlsServer;
  readonly #where: HostPort;

  /** @throws Error of OpenSSL for what is not a key and its certificate */
  constructor(
    { host, port, tls, proxies = [] }: HttpListen,
    handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void,
  ) {
    const times = {
      headersTimeout: HTTP_HEADERS_MS,
      // Bodies have times of their own: files that are dropped on a page may take hours.
      requestTimeout: 0,
      keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
      connectionsCheckingInterval: HTTP_HEADERS_MS / 2,
      maxHeaderSize: MAX_HTTP_HEADER_BYTES,
    };
    this.#where = { host, port };
    this.#server =
      tls === undefined
        ? createServer(times, handle)
        : createTlsServer({ ...times, ...tls, ...TLS_BOUNDS, handshakeTimeout: HTTP_HEADERS_MS }, handle);
    this.#server.maxHeadersCount = MAX_HTTP_HEADERS;
    this.#server.timeout = HTTP_SILENT_MS;
    boundConnections(this.#server, proxies);
  }

  /** Where it listens. */
  get address(): HostPort {
    const address = this.#server.address();
    return typeof address === 'string' || address === null
      ? this.#where
      : { host: address.address, port: address.port };
  }

  /** @throws FilerError `port-in-use`, `address-unusable` */
  async listen(): Promise<void> {
    const { host, port } = this.#where;
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => reject(listenError({ transport: 'tcp', host, port }, error));
      this.#server.once('error', fail);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', fail);
        resolve();
      });
    });
  }

  /** For connections from now on. */
  renew(tls: HttpTls): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext({ ...tls, ...TLS_BOUNDS });
  }

  /** Answers that are on their way have a moment; then their connections end. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), HTTP_CLOSE_MS);
    await closed;
    clearTimeout(timer);
  }
}
