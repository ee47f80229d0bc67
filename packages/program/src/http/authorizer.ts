import { addressBlockOf, FilerError, Rates } from '@filer/protocol';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { routePath } from 'hono/route';
import type { Caller } from '../rpc/implement.ts';
import type { Role } from '../rpc/method.ts';
import { digestOfToken, mayCall } from './access.ts';
import { siteRefusal } from './guards.ts';
import { refusal } from './http-failure.ts';
import type { HttpOptions } from './http-options.ts';
import { HTTP_CALLS, HTTP_CHANGES, HTTP_REQUESTS, HTTP_STREAMS } from './limits.ts';
import { LiveCalls } from './live-calls.ts';
import { requestFacts, type Reached, type RequestFacts } from './request-facts.ts';
import type { RouteRequest } from './route.ts';
import { SESSION_HEADER, type SessionCookies } from './session-cookie.ts';

/** `route`: as declared, which metrics count. */
export type HttpEnv = { Bindings: HttpBindings; Variables: { route?: string } };
export type RequestContext = Context<HttpEnv>;

/** Timers of Node wait no longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What a route asks of who calls it. */
export interface Needed {
  readonly role: Role;
  /** @default false */
  readonly changes?: boolean;
  /** Whether its answer lasts. @default false */
  readonly isStream?: boolean;
}

/** What a request is let in for. */
interface Admitted {
  readonly caller: Caller;
  /** A browser sends it by itself, whatever page asks. */
  readonly hasCookie: boolean;
}

/** Decides who may do what, and charges it to the token, or to the address while there is none. */
export class Authorizer {
  readonly reached: Reached;
  readonly #options: HttpOptions;
  readonly #cookies: () => SessionCookies;
  readonly #calls = new LiveCalls(HTTP_CALLS, 'calls');
  readonly #streams = new LiveCalls(HTTP_STREAMS, 'streams of events');
  readonly #requests = new Rates(HTTP_REQUESTS);
  readonly #changes = new Rates(HTTP_CHANGES);
  readonly #unfollow: () => void;

  constructor(options: HttpOptions, cookies: () => SessionCookies) {
    const { names = [], proxies = [] } = options.listen;
    this.reached = { proxies, names: names.map((name) => name.toLowerCase()) };
    this.#options = options;
    this.#cookies = cookies;
    this.#unfollow = options.tokens.onRevoked((id) =>
      this.#abort(new FilerError('refused', 'the token was revoked'), id),
    );
  }

  get told(): { readonly calls: number; readonly streams: number } {
    return { calls: this.#calls.total, streams: this.#streams.total };
  }

  factsOf(c: RequestContext): RequestFacts {
    return requestFacts(c.env.incoming, this.reached);
  }

  /** Serves who has no token: as long as its address does not ask too much of this route. */
  async open(
    c: RequestContext,
    route: string,
    work: (request: RouteRequest) => Response | Promise<Response>,
  ): Promise<Response> {
    c.set('route', route);
    const charged = this.#charge(`${addressBlockOf(this.factsOf(c).remote)} ${route}`);
    if (charged !== undefined) return charged;
    const controller = new AbortController();
    c.env.outgoing.once('close', () => controller.abort(gone()));
    return await work(requestOf(c, controller.signal, () => undefined));
  }

  /** Serves who may; what is in work is counted for the token until it has ended and its answer is read. */
  async guarded(
    c: RequestContext,
    { role, changes = false, isStream = false }: Needed,
    work: (request: RouteRequest & { readonly caller: Caller }) => Response | Promise<Response>,
  ): Promise<Response> {
    c.set('route', routePath(c));
    const facts = this.factsOf(c);
    const admitted = await this.#admitted(c, facts);
    if (admitted instanceof Response) return admitted;
    const { caller, hasCookie } = admitted;
    const foreign = siteRefusal(c.env.incoming, facts, changes, hasCookie);
    if (foreign !== undefined) return foreign;
    const isDenied = !mayCall(caller.role, role);
    // What is refused is written down, too.
    if ((changes || isDenied) && !this.#changes.tryTake(caller.id, 1, performance.now()))
      return refusal(429, 'rate-limited', 'too many changes with this token: wait a moment');
    if (isDenied) {
      this.#options.onDenied?.(caller, c.req.path);
      const words = `this needs a token of the role ${role}, and ${caller.name} has ${caller.role}`;
      return refusal(403, 'refused', words);
    }
    const { outgoing } = c.env;
    // It may have gone while its token was looked up; then nothing would tell its end.
    if (outgoing.destroyed) throw gone();
    const call = (isStream ? this.#streams : this.#calls).begin(caller.id);
    const { expiresAt } = caller;
    // One that lasts longer than a timer can wait is cut then: its client comes again.
    const expiry =
      expiresAt === undefined
        ? undefined
        : setTimeout(
            () => call.abort(expired()),
            Math.min(Math.max(0, expiresAt - Date.now()), MAX_TIMER_MS),
          );
    const closed = Promise.withResolvers<void>();
    outgoing.once('close', () => {
      clearTimeout(expiry);
      call.abort(gone());
      closed.resolve();
    });
    // An answer that is ended early is cut, and not closed as if it were whole.
    call.signal.addEventListener('abort', () => void outgoing.destroy(), { once: true });
    let parts = 0;
    const lasts = (part: Promise<unknown>): void => {
      parts++;
      const end = (): void => {
        if (--parts === 0) call.end();
      };
      part.then(end, end);
    };
    lasts(closed.promise);
    const working = (async () => await work({ ...requestOf(c, call.signal, lasts), caller }))();
    lasts(working);
    return await working;
  }

  /** The id in the session of a browser, whether it still lasts or not. */
  sessionOf(c: RequestContext): string | undefined {
    const inQuery = c.req.method === 'GET' ? c.req.query('session') : undefined;
    const key = c.req.header(SESSION_HEADER) ?? inQuery;
    return this.#cookies().read(c.req.header('cookie'), key, this.factsOf(c).isSecure);
  }

  /** Ends what is in work. */
  close(): void {
    this.#unfollow();
    this.#abort(new FilerError('terminated', 'the server is stopping'));
  }

  #abort(why: FilerError, tokenId?: string): void {
    this.#calls.abort(why, tokenId);
    this.#streams.abort(why, tokenId);
  }

  #charge(holder: string): Response | undefined {
    if (this.#requests.tryTake(holder, 1, performance.now())) return undefined;
    return refusal(429, 'rate-limited', 'too many requests: wait a moment');
  }

  /** @returns the answer to who is not let in */
  async #admitted(c: RequestContext, { remote }: RequestFacts): Promise<Admitted | Response> {
    const { tokens } = this.#options;
    const block = addressBlockOf(remote);
    const bearer = /^Bearer ([\w-]{1,256})$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (bearer !== undefined) {
      // Each counts as a wrong one until the store has found it: it is not asked more often than that.
      const wrong = `${block} wrong token`;
      const charged = this.#charge(wrong);
      if (charged !== undefined) return charged;
      const caller = await tokens.byDigest(digestOfToken(bearer));
      if (caller === undefined) return unauthenticated();
      this.#requests.take(wrong, -1, performance.now());
      return this.#charge(caller.id) ?? { caller, hasCookie: false };
    }
    const id = this.sessionOf(c);
    const charged = this.#charge(id ?? block);
    if (charged !== undefined) return charged;
    const caller = id === undefined ? undefined : await tokens.byId(id);
    return caller === undefined ? unauthenticated() : { caller, hasCookie: true };
  }
}

function unauthenticated(): Response {
  const answer = refusal(401, 'refused', 'this needs a token: `dashboard` prints a link with one');
  answer.headers.set('www-authenticate', 'Bearer');
  return answer;
}

function requestOf(c: RequestContext, signal: AbortSignal, lasts: RouteRequest['lasts']): RouteRequest {
  return {
    caller: undefined,
    params: c.req.param(),
    url: new URL(c.req.url),
    incoming: c.env.incoming,
    signal,
    lasts,
  };
}

function expired(): FilerError {
  return new FilerError('refused', 'the token has expired');
}

function gone(): FilerError {
  return new FilerError('interrupted', 'the client went away');
}
