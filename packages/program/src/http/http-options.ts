import type { Caller, Methods } from '../rpc/implement.ts';
import type { Logger } from '../log.ts';
import type { Tokens } from './access.ts';
import type { EventSource, StreamTimes } from './event-stream.ts';
import type { ServedContract } from './open-api.ts';
import type { Route } from './route.ts';

/** Key and certificate, PEM. */
export interface HttpTls {
  readonly key: string;
  readonly cert: string;
}

/** Where and how a program is reached over HTTP. */
export interface HttpListen {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** @default plain HTTP */
  readonly tls?: HttpTls | undefined;
  /** Names by which it is called, beside localhost and its own addresses. */
  readonly names?: readonly string[] | undefined;
  /** Addresses of proxies that end TLS in front of it, and say who asks. */
  readonly proxies?: readonly string[] | undefined;
}

export interface HttpOptions {
  /** Names the cookie. */
  readonly program: string;
  /** Of the OpenAPI document. */
  readonly title: string;
  readonly version: string;
  readonly listen: HttpListen;
  /** Served at `/api/NAME`: each method with an `access`. */
  readonly contract: ServedContract;
  readonly methods: Methods;
  /** Served at `/api/events`. */
  readonly events: EventSource;
  readonly tokens: Tokens;
  /** Signs the cookies of sessions: secret, 32 bytes or more, the same after a restart. */
  readonly sessionKey: Uint8Array;
  /** The folder of the built page, absolute. */
  readonly pages?: string | undefined;
  /** What the program serves beside. */
  readonly routes?: readonly Route[];
  readonly log: Logger;
  /** Told about a fault of this program. */
  readonly onFault: (error: unknown) => void;
  /** Told about each answer, for metrics. @param route as declared, such as `/api/status` */
  readonly onAnswer?: (route: string, method: string, status: number, ms: number) => void;
  /** Told when a token may not do what it asks for. */
  readonly onDenied?: (caller: Caller, path: string) => void;
  readonly streamTimes?: StreamTimes;
}

/** What is in work now. */
export interface HttpTold {
  readonly calls: number;
  readonly streams: number;
}

export interface HttpService {
  /** Where it listens. */
  readonly address: { readonly host: string; readonly port: number };
  /** How a browser on this machine gets there. */
  readonly url: string;
  readonly told: HttpTold;
  /** Another certificate for connections from now on; of a service that was opened with one. @throws Error of OpenSSL */
  renew(tls: HttpTls): void;
  /** Ends what is in work, and every stream. May be called twice. */
  close(): Promise<void>;
}
