import type { IncomingMessage } from 'node:http';
import type { Caller } from '../rpc/implement.ts';
import type { Role } from '../rpc/method.ts';

/** A request that the guards have let in. */
export interface RouteRequest {
  /** Undefined on a route that is open. */
  readonly caller: Caller | undefined;
  /** What the path has in the place of `:name`, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly url: URL;
  /** For a body that is read as it comes. */
  readonly incoming: IncomingMessage;
  /** Aborted when the client has gone away, its token is revoked or has expired, or the server stops. */
  readonly signal: AbortSignal;
  /** Counts the request as in work until this has settled, too: what continues behind an answer that has begun. */
  readonly lasts: (work: Promise<unknown>) => void;
}

/** A route of one program, beside those that its contract gives. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** Such as `/api/attachments/:report/:name`. */
  readonly path: string;
  /** `open` asks for no token; `local` for one of the role `read`, but of this machine. */
  readonly access: Role | 'open' | 'local';
  /** One line for the OpenAPI document. */
  readonly describe: string;
  /** Media type of its answer. */
  readonly gives: string;
  /** Media type that the body of a POST must have; none that a form of another site can send. @default application/json */
  readonly takes?: 'application/json' | 'application/octet-stream';
  readonly handle: (request: RouteRequest) => Response | Promise<Response>;
}
