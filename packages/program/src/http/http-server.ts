import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { addressBlockOf, FilerError, formatHostPort, isLoopback, listenError, Rates } from '@filer/protocol';
import { Hono, type Context } from 'hono';
import { routePath } from 'hono/route';
import * as v from 'valibot';
import { methodOf } from '../rpc/implement.ts';
import type { Caller } from '../rpc/implement.ts';
import type { Method, MethodTypes, Role } from '../rpc/method.ts';
import { digestOfToken, mayCall } from './access.ts';
import { documentAnswer, itemsAnswer } from './api-routes.ts';
import { boundConnections } from './connections.ts';
import { streamEvents } from './event-stream.ts';
import { hostRefusal, SECURITY_HEADERS, siteRefusal, typeRefusal } from './guards.ts';
import { failureAnswer, refusal } from './http-failure.ts';
import { jsonBody } from './json-body.ts';
import {
  HTTP_CALLS,
  HTTP_CHANGES,
  HTTP_CLOSE_MS,
  HTTP_HEADERS_MS,
  HTTP_KEEP_ALIVE_MS,
  HTTP_REQUESTS,
  HTTP_SILENT_MS,
  HTTP_STREAMS,
  MAX_HTTP_HEADER_BYTES,
  MAX_HTTP_HEADERS,
} from './limits.ts';
import { LiveCalls } from './live-calls.ts';
import { openApiDocument, remoteMethods } from './open-api.ts';
import type { HttpOptions, HttpService, HttpTold } from './http-options.ts';
import { Pages } from './pages.ts';
import { requestFacts, type Reached, type RequestFacts } from './request-facts.ts';
import type { Route, RouteRequest } from './route.ts';
import { sessionCookies, type SessionCookies } from './session-cookie.ts';
import { TextStream } from './text-stream.ts';

type Env = { Bindings: HttpBindings };
type RequestContext = Context<Env>;

/** What a request is let in for. */
interface Admitted {
  readonly caller: Caller;
  /** A browser sends it by itself, whatever page asks. */
  readonly hasCookie: boolean;
}

const tokenBody = v.object({ token: v.pipe(v.string(), v.maxLength(256)) });

/** Serves a contract, its events, and pages over HTTP. */
export class HttpServer implements HttpService {
  readonly #options: HttpOptions;
  readonly #reached: Reached;
  readonly #pages: Pages;
  readonly #server: Server | TlsServer;
  readonly #calls = new LiveCalls(HTTP_CALLS, 'calls');
  readonly #streams = new LiveCalls(HTTP_STREAMS, 'streams of events');
  readonly #requests = new Rates(HTTP_REQUESTS);
  readonly #changes = new Rates(HTTP_CHANGES);
  readonly #unfollow: () => void;
  #cookies: SessionCookies;
  #closed: Promise<void> | undefined;

  private constructor(options: HttpOptions, pages: Pages) {
    const { listen, tokens } = options;
    this.#options = options;
    this.#pages = pages;
    this.#reached = {
      proxies: listen.proxies ?? [],
      names: (listen.names ?? []).map((name) => name.toLowerCase()),
    };
    this.#cookies = this.#cookiesFor(listen.port);
    const app = this.#routes();
    const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false });
    const times = {
      headersTimeout: HTTP_HEADERS_MS,
      // Bodies have times of their own: files that are dropped on a page may take hours.
      requestTimeout: 0,
      keepAliveTimeout: HTTP_KEEP_ALIVE_MS,
      connectionsCheckingInterval: HTTP_HEADERS_MS / 2,
      maxHeaderSize: MAX_HTTP_HEADER_BYTES,
    };
    const handle = (incoming: IncomingMessage, outgoing: ServerResponse): void =>
      void answer(incoming, outgoing);
    this.#server =
      listen.tls === undefined
        ? createServer(times, handle)
        : createTlsServer(
            { ...times, ...listen.tls, minVersion: 'TLSv1.2', handshakeTimeout: HTTP_HEADERS_MS },
            handle,
          );
    this.#server.maxHeadersCount = MAX_HTTP_HEADERS;
    this.#server.timeout = HTTP_SILENT_MS;
    boundConnections(this.#server, this.#reached.proxies);
    this.#unfollow = tokens.onRevoked((id) => {
      const why = new FilerError('refused', 'the token was revoked');
      this.#calls.abort(why, id);
      this.#streams.abort(why, id);
    });
  }

  /** @throws FilerError `port-in-use`, `address-unusable` */
  static async open(options: HttpOptions): Promise<HttpServer> {
    const server = new HttpServer(options, await Pages.open(options.pages));
    await server.#listen();
    return server;
  }

  get address(): { readonly host: string; readonly port: number } {
    const address = this.#server.address();
    return typeof address === 'string' || address === null
      ? this.#options.listen
      : { host: address.address, port: address.port };
  }

  get url(): string {
    const { host, port } = this.address;
    const { listen } = this.#options;
    const shown = host === '::' || host === '0.0.0.0' ? (listen.names?.[0] ?? 'localhost') : host;
    return `${listen.tls === undefined ? 'http' : 'https'}://${formatHostPort({ host: shown, port })}`;
  }

  get told(): HttpTold {
    return { calls: this.#calls.total, streams: this.#streams.total };
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#end());
  }

  async #end(): Promise<void> {
    this.#unfollow();
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    const why = new FilerError('terminated', 'the server is stopping');
    this.#streams.abort(why);
    this.#calls.abort(why);
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#server.closeAllConnections(), HTTP_CLOSE_MS);
    await closed;
    clearTimeout(timer);
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options.listen;
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => reject(listenError({ transport: 'tcp', host, port }, error));
      this.#server.once('error', fail);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', fail);
        resolve();
      });
    });
    this.#cookies = this.#cookiesFor(this.address.port);
  }

  #cookiesFor(port: number): SessionCookies {
    const { sessionKey, program } = this.#options;
    return sessionCookies(sessionKey, `${program}-${port}`, Date.now);
  }

  #routes(): Hono<Env> {
    const app = new Hono<Env>();
    app.use(async (c, next) => {
      const began = performance.now();
      await next();
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
      if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store');
      this.#options.onAnswer?.(routePath(c, -1), c.req.method, c.res.status, performance.now() - began);
    });
    app.use(async (c, next) => this.#refusal(c) ?? next());
    app.post('/session', (c) => this.#beginSession(c));
    app.get('/session', (c) => this.#guarded(c, 'read', ({ caller }) => Response.json(caller)));
    app.delete('/session', (c) => this.#endSession(c));
    app.get('/api/openapi.json', (c) =>
      this.#guarded(c, 'read', () =>
        Response.json(openApiDocument({ ...this.#options, routes: this.#ownRoutes })),
      ),
    );
    app.get('/api/events', (c) =>
      this.#guarded(c, 'read', (request) => this.#stream(c, request), this.#streams),
    );
    for (const method of remoteMethods(this.#options.contract)) this.#serve(app, method);
    for (const route of this.#ownRoutes) this.#serveRoute(app, route);
    app.get('*', async (c) => (await this.#pages.answer(c.req.path, c.req.raw)) ?? this.#missing(c));
    app.notFound((c) => this.#missing(c));
    app.onError((error) => {
      if (!(error instanceof FilerError)) this.#options.onFault(error);
      return failureAnswer(error);
    });
    return app;
  }

  get #ownRoutes(): readonly Route[] {
    return this.#options.routes ?? [];
  }

  #missing(c: RequestContext): Response {
    const where =
      this.#pages.isEmpty && c.req.path === '/'
        ? 'this server was installed without its pages'
        : 'there is nothing here';
    return refusal(404, 'path-missing', `${where}: /api/openapi.json lists what is served`);
  }

  /** What holds for every request, with a token and without. */
  #refusal(c: RequestContext): Response | undefined {
    const { incoming } = c.env;
    const facts = this.#factsOf(c);
    const { listen } = this.#options;
    const needsTls = listen.tls === undefined && !isLoopback(this.address.host);
    const foreign = hostRefusal(facts, incoming, this.#reached, needsTls);
    if (foreign !== undefined) return foreign;
    const holder = addressBlockOf(facts.remote);
    if (this.#requests.tryTake(holder, 1, performance.now())) return undefined;
    return refusal(429, 'rate-limited', 'too many requests from this address: wait a moment');
  }

  #factsOf(c: RequestContext): RequestFacts {
    return requestFacts(c.env.incoming, this.#reached);
  }

  async #admitted(c: RequestContext): Promise<Admitted | undefined> {
    const { tokens } = this.#options;
    const bearer = /^Bearer ([\w-]{1,256})$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (bearer !== undefined) {
      const caller = await tokens.byDigest(digestOfToken(bearer));
      return caller === undefined ? undefined : { caller, hasCookie: false };
    }
    const id = this.#cookies.read(c.req.header('cookie'), this.#factsOf(c).isSecure);
    const caller = id === undefined ? undefined : await tokens.byId(id);
    return caller === undefined ? undefined : { caller, hasCookie: true };
  }

  /** Lets in who may; what it answers is counted for the token until it is read. */
  async #guarded(
    c: RequestContext,
    needed: Role,
    work: (request: RouteRequest & { readonly caller: Caller }) => Response | Promise<Response>,
    live = this.#calls,
    changes = false,
  ): Promise<Response> {
    const admitted = await this.#admitted(c);
    if (admitted === undefined) {
      const answer = refusal(401, 'refused', 'this needs a token: `dashboard` prints a link with one');
      answer.headers.set('www-authenticate', 'Bearer');
      return answer;
    }
    const { caller, hasCookie } = admitted;
    const foreign = siteRefusal(c.env.incoming, this.#factsOf(c), changes, hasCookie);
    if (foreign !== undefined) return foreign;
    if (!mayCall(caller.role, needed)) {
      this.#options.onDenied?.(caller, c.req.path);
      return refusal(
        403,
        'refused',
        `this needs a token of the role ${needed}, and ${caller.name} has ${caller.role}`,
      );
    }
    if (changes && !this.#changes.tryTake(caller.id, 1, performance.now()))
      return refusal(429, 'rate-limited', 'too many changes with this token: wait a moment');
    const call = live.begin(caller.id);
    c.env.outgoing.once('close', () => {
      call.end();
      call.abort(new FilerError('interrupted', 'the client went away'));
    });
    // A stream that is ended early is cut, and not closed as if it were whole.
    call.signal.addEventListener('abort', () => void c.env.outgoing.destroy(), { once: true });
    return await work({ ...this.#requestOf(c, call.signal), caller });
  }

  #requestOf(c: RequestContext, signal: AbortSignal): RouteRequest {
    return {
      caller: undefined,
      params: c.req.param(),
      url: new URL(c.req.url),
      incoming: c.env.incoming,
      signal,
    };
  }

  #serve(app: Hono<Env>, method: Method<MethodTypes>): void {
    const { name, access = 'admin', changes = false } = method;
    const served = methodOf(this.#options.methods, name);
    const answer = method.item.type === 'never' ? documentAnswer : itemsAnswer;
    const path = `/api/${name}`;
    if (!changes) {
      app.get(path, (c) =>
        this.#guarded(c, access, (request) => answer(served, paramsIn(request.url), request)),
      );
      return;
    }
    app.post(path, (c) =>
      this.#guarded(
        c,
        access,
        async (request) =>
          typeRefusal(request.incoming, 'application/json') ??
          (await answer(served, await jsonBody(request.incoming, request.signal), request)),
        this.#calls,
        true,
      ),
    );
  }

  #serveRoute(app: Hono<Env>, route: Route): void {
    const { path, method, access, takes = 'application/json', handle } = route;
    const changes = method === 'POST';
    const work = async (request: RouteRequest): Promise<Response> =>
      (changes ? typeRefusal(request.incoming, takes) : undefined) ?? (await handle(request));
    app.on(method, path, async (c) => {
      const isOpen = access === 'open' || (access === 'local' && this.#factsOf(c).isLocal);
      if (!isOpen)
        return await this.#guarded(c, access === 'local' ? 'read' : access, work, this.#calls, changes);
      const controller = new AbortController();
      c.env.outgoing.once('close', () => controller.abort());
      return await work(this.#requestOf(c, controller.signal));
    });
  }

  async #beginSession(c: RequestContext): Promise<Response> {
    const facts = this.#factsOf(c);
    const refused =
      siteRefusal(c.env.incoming, facts, true, false) ?? typeRefusal(c.env.incoming, 'application/json');
    if (refused !== undefined) return refused;
    const controller = new AbortController();
    c.env.outgoing.once('close', () =>
      controller.abort(new FilerError('interrupted', 'the client went away')),
    );
    const body = await jsonBody(c.env.incoming, controller.signal);
    const token = v.is(tokenBody, body) ? body.token : '';
    const caller = await this.#options.tokens.byDigest(digestOfToken(token));
    if (caller === undefined) {
      this.#options.log.info('a wrong token was refused', { from: facts.remote });
      return refusal(401, 'refused', 'this token is unknown, revoked or expired: make a new link');
    }
    return Response.json(caller, {
      headers: { 'set-cookie': this.#cookies.begin(caller.id, facts.isSecure) },
    });
  }

  #endSession(c: RequestContext): Response {
    const facts = this.#factsOf(c);
    const refused = siteRefusal(c.env.incoming, facts, true, true);
    if (refused !== undefined) return refused;
    return new Response(null, { status: 204, headers: { 'set-cookie': this.#cookies.end(facts.isSecure) } });
  }

  #stream(c: RequestContext, { caller, signal, url }: RouteRequest & { readonly caller: Caller }): Response {
    const stream = new TextStream();
    const since = c.req.header('last-event-id') ?? url.searchParams.get('since') ?? undefined;
    const isWelcome = async (): Promise<boolean> =>
      (await this.#options.tokens.byId(caller.id)) !== undefined;
    const { events, streamTimes, onFault } = this.#options;
    void streamEvents(events, stream, since?.slice(0, 64), isWelcome, signal, streamTimes)
      .then(() => stream.end())
      .catch((error: unknown) => {
        // A reader that went away, a token that was revoked, and a server that stops have cut it already.
        if (!signal.aborted) onFault(error);
        c.env.outgoing.destroy();
      });
    return new Response(stream.body, {
      headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' },
    });
  }
}

function paramsIn({ searchParams }: URL): unknown {
  const text = searchParams.get('params');
  if (text === null) return {};
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FilerError('message-malformed', '?params= is not JSON', { cause: error });
  }
}
