import { getRequestListener } from '@hono/node-server';
import { FilerError, formatHostPort, isLoopback, type HostPort } from '@filer/protocol';
import { Hono } from 'hono';
import * as v from 'valibot';
import { methodOf, type Caller } from '../rpc/implement.ts';
import type { Method, MethodTypes } from '../rpc/method.ts';
import { digestOfToken } from './access.ts';
import { documentAnswer, itemsAnswer } from './api-routes.ts';
import { Authorizer, type HttpEnv, type RequestContext } from './authorizer.ts';
import { BoundServer } from './bound-server.ts';
import { compressed } from './compression.ts';
import { streamEvents } from './event-stream.ts';
import { hostRefusal, SECURITY_HEADERS, siteRefusal, typeRefusal } from './guards.ts';
import { failureAnswer, refusal } from './http-failure.ts';
import type { HttpOptions, HttpService, HttpTls, HttpTold } from './http-options.ts';
import { jsonBody } from './json-body.ts';
import { openApiDocument, remoteMethods } from './open-api.ts';
import { Pages } from './pages.ts';
import type { Route, RouteRequest } from './route.ts';
import { sessionCookies, type SessionCookies } from './session-cookie.ts';
import { TextStream } from './text-stream.ts';

const tokenBody = v.object({ token: v.pipe(v.string(), v.maxLength(256)) });

/** Serves a contract, its events, and pages over HTTP. */
export class HttpServer implements HttpService {
  readonly #options: HttpOptions;
  readonly #pages: Pages;
  readonly #server: BoundServer;
  readonly #authorizer: Authorizer;
  #closed: Promise<void> | undefined;

  private constructor(options: HttpOptions, pages: Pages) {
    this.#options = options;
    this.#pages = pages;
    this.#authorizer = new Authorizer(options, () => this.#cookies);
    const answer = getRequestListener(this.#routes().fetch, { overrideGlobalObjects: false });
    this.#server = new BoundServer(options.listen, (...request) => void answer(...request));
  }

  /** @throws FilerError `port-in-use`, `address-unusable` */
  static async open(options: HttpOptions): Promise<HttpServer> {
    const server = new HttpServer(options, await Pages.open(options.pages));
    try {
      await server.#server.listen();
      return server;
    } catch (error) {
      server.#authorizer.close();
      throw error;
    }
  }

  get address(): HostPort {
    return this.#server.address;
  }

  get url(): string {
    const { host, port } = this.address;
    const { tls, names = [] } = this.#options.listen;
    const shown = host === '::' || host === '0.0.0.0' ? (names[0] ?? 'localhost') : host;
    return `${tls === undefined ? 'http' : 'https'}://${formatHostPort({ host: shown, port })}`;
  }

  get told(): HttpTold {
    return this.#authorizer.told;
  }

  renew(tls: HttpTls): void {
    this.#server.renew(tls);
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#end());
  }

  async #end(): Promise<void> {
    this.#authorizer.close();
    await this.#server.close();
  }

  /** Of this program and port: a browser sends the cookies of a host to all of its ports. */
  get #cookies(): SessionCookies {
    const { sessionKey, program } = this.#options;
    return sessionCookies(sessionKey, `${program}-${this.address.port}`, Date.now);
  }

  #routes(): Hono<HttpEnv> {
    const { contract, routes = [], onAnswer } = this.#options;
    const app = new Hono<HttpEnv>();
    app.use(async (c, next) => {
      const began = performance.now();
      await next();
      for (const [name, value] of Object.entries(SECURITY_HEADERS)) c.res.headers.set(name, value);
      if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store');
      // Its body goes to no one, and what writes it would wait for a reader.
      if (c.req.method === 'HEAD') void c.res.body?.cancel().catch(() => undefined);
      onAnswer?.(c.get('route') ?? 'none', c.req.method, c.res.status, performance.now() - began);
    });
    app.use(async (c, next) => this.#hostRefusal(c) ?? next());
    this.#serveSessions(app);
    app.get('/api/openapi.json', (c) =>
      this.#authorizer.guarded(c, { role: 'read' }, (request) =>
        compressed(Response.json(openApiDocument({ ...this.#options, routes })), request),
      ),
    );
    app.get('/api/events', (c) =>
      this.#authorizer.guarded(c, { role: 'read', isStream: true }, (request) => this.#stream(c, request)),
    );
    for (const method of remoteMethods(contract)) this.#serve(app, method);
    for (const route of routes) this.#serveRoute(app, route);
    app.get('*', (c) =>
      this.#authorizer.open(
        c,
        'pages',
        async () => (await this.#pages.answer(c.req.path, c.req.raw)) ?? this.#missing(c),
      ),
    );
    app.notFound((c) => this.#missing(c));
    app.onError((error) => {
      if (!(error instanceof FilerError)) this.#options.onFault(error);
      return failureAnswer(error);
    });
    return app;
  }

  #missing(c: RequestContext): Response {
    const where =
      this.#pages.isEmpty && c.req.path === '/'
        ? 'this server was installed without its pages'
        : 'there is nothing here';
    return refusal(404, 'path-missing', `${where}: /api/openapi.json lists what is served`);
  }

  /** Every request names this server, and comes over TLS or from this machine. */
  #hostRefusal(c: RequestContext): Response | undefined {
    const needsTls = this.#options.listen.tls === undefined && !isLoopback(this.address.host);
    return hostRefusal(this.#authorizer.factsOf(c), c.env.incoming, this.#authorizer.reached, needsTls);
  }

  #serve(app: Hono<HttpEnv>, method: Method<MethodTypes>): void {
    const { name, access: role = 'admin', changes = false } = method;
    const served = methodOf(this.#options.methods, name);
    const answer = method.item.type === 'never' ? documentAnswer : itemsAnswer;
    app.on(changes ? 'POST' : 'GET', `/api/${name}`, (c) =>
      this.#authorizer.guarded(c, { role, changes }, async (request) =>
        changes
          ? (typeRefusal(request.incoming, 'application/json') ??
            (await answer(served, await jsonBody(request.incoming, request.signal), request)))
          : // What only reads tells no secret.
            compressed(await answer(served, paramsIn(request.url), request), request),
      ),
    );
  }

  #serveRoute(app: Hono<HttpEnv>, { path, method, access, takes = 'application/json', handle }: Route): void {
    const changes = method === 'POST';
    const work = async (request: RouteRequest): Promise<Response> =>
      (changes ? typeRefusal(request.incoming, takes) : undefined) ?? (await handle(request));
    app.on(method, path, (c) => {
      const isOpen = access === 'open' || (access === 'local' && this.#authorizer.factsOf(c).isLocal);
      if (isOpen) return this.#authorizer.open(c, path, work);
      const role = access === 'local' ? 'read' : access;
      return this.#authorizer.guarded(c, { role, changes }, work);
    });
  }

  #serveSessions(app: Hono<HttpEnv>): void {
    app.get('/session', (c) =>
      this.#authorizer.guarded(c, { role: 'read' }, ({ caller }) => Response.json(caller)),
    );
    app.post('/session', (c) =>
      this.#authorizer.open(c, '/session', (request) => this.#beginSession(c, request)),
    );
    app.delete('/session', (c) =>
      this.#authorizer.open(c, '/session', ({ incoming }) => {
        const facts = this.#authorizer.factsOf(c);
        const refused = siteRefusal(incoming, facts, true, true);
        if (refused !== undefined) return refused;
        const id = this.#authorizer.sessionOf(c);
        if (id !== undefined) this.#options.tokens.endSession?.(id);
        const headers = { 'set-cookie': this.#cookies.end(facts.isSecure) };
        return new Response(null, { status: 204, headers });
      }),
    );
  }

  async #beginSession(c: RequestContext, { incoming, signal }: RouteRequest): Promise<Response> {
    const facts = this.#authorizer.factsOf(c);
    const refused = siteRefusal(incoming, facts, true, false) ?? typeRefusal(incoming, 'application/json');
    if (refused !== undefined) return refused;
    const body = await jsonBody(incoming, signal);
    const token = v.is(tokenBody, body) ? body.token : '';
    const { tokens } = this.#options;
    const owner = await tokens.byDigest(digestOfToken(token));
    if (owner === undefined) {
      this.#options.log.info('a wrong token was refused', { from: facts.remote });
      return refusal(401, 'refused', 'this token is unknown, revoked or expired: make a new link');
    }
    const caller = (await tokens.beginSession?.(owner, incoming.headers['user-agent'] ?? '')) ?? owner;
    this.#options.log.info('a session has begun', { from: facts.remote, id: caller.id, name: caller.name });
    const { cookie, key } = this.#cookies.begin(caller.id, facts.isSecure, caller.expiresAt);
    return Response.json({ ...caller, key }, { headers: { 'set-cookie': cookie } });
  }

  #stream(
    c: RequestContext,
    { caller, signal, url, lasts }: RouteRequest & { readonly caller: Caller },
  ): Response {
    const { events, tokens, streamTimes, onFault } = this.#options;
    const headers = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
    if (c.req.method === 'HEAD') return new Response(null, { headers });
    const stream = new TextStream(signal);
    const since = c.req.header('last-event-id') ?? url.searchParams.get('since') ?? undefined;
    const isWelcome = async (): Promise<boolean> => {
      try {
        return (await tokens.byId(caller.id)) !== undefined;
      } catch (error) {
        // A store that cannot be read says nothing about the token.
        if (error instanceof FilerError) return true;
        throw error;
      }
    };
    const written = streamEvents(events, stream, since?.slice(0, 64), isWelcome, signal, streamTimes)
      .then(() => stream.end())
      .catch((error: unknown) => {
        // A reader that went away, a token that was revoked, and a server that stops have cut it already.
        if (!signal.aborted && !(error instanceof FilerError)) onFault(error);
        c.env.outgoing.destroy();
      });
    lasts(written);
    return new Response(stream.body, { headers });
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
