import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  createLogger,
  digestOfToken,
  EventRing,
  openHttp,
  type Caller,
  type HttpOptions,
  type Tokens,
} from '@filer/program';
import * as v from 'valibot';
import { onTestFinished } from 'vitest';
import type { Served } from '../../../packages/program/src/rpc/implement.ts';
import { method, NO_PARAMS } from '../../../packages/program/src/rpc/method.ts';

/** The only token. */
export const TOKEN = 'token-of-a-test';
const CALLER: Caller = { id: 'anna', name: 'anna', role: 'admin' };

const contract = {
  items: method('items', { access: 'read', params: NO_PARAMS, item: v.string(), result: v.null() }),
  document: method('document', { access: 'read', params: NO_PARAMS, result: v.null() }),
  change: method('change', { access: 'read', changes: true, params: NO_PARAMS, result: v.null() }),
};

const nothing: Served = () => Promise.resolve(null);

export interface SmallServer {
  readonly url: string;
  readonly http: Awaited<ReturnType<typeof openHttp>>;
  /** What was reported as faults of the program. */
  readonly faults: unknown[];
  readonly revoke: (id: string) => void;
}

/** Serves three methods and a stream of events to one token. */
export async function smallServer(
  methods: { readonly items?: Served; readonly document?: Served; readonly change?: Served },
  options: Partial<Omit<HttpOptions, 'tokens'>> & { readonly tokens?: Partial<Tokens> } = {},
): Promise<SmallServer> {
  const faults: unknown[] = [];
  const listeners = new Set<(id: string) => void>();
  const http = await openHttp({
    program: 'small',
    title: 'small',
    version: '0.0.0',
    listen: { host: '127.0.0.1', port: 0 },
    contract,
    methods: new Map(Object.entries({ items: nothing, document: nothing, change: nothing, ...methods })),
    events: new EventRing(),
    sessionKey: new Uint8Array(32),
    log: await createLogger({ stream: { write: () => undefined } }),
    onFault: (error) => faults.push(error),
    ...options,
    tokens: {
      byDigest: (digest) => Promise.resolve(digest === digestOfToken(TOKEN) ? CALLER : undefined),
      byId: (id) => Promise.resolve(id === CALLER.id ? CALLER : undefined),
      onRevoked: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      ...options.tokens,
    },
  });
  onTestFinished(() => http.close());
  const revoke = (id: string): void => {
    for (const listener of listeners) listener(id);
  };
  return { url: http.url, http, faults, revoke };
}

/** Asks, and reads nothing of the answer. @returns its status */
export async function unread(url: string, method = 'GET', token = TOKEN): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const asking = request(url, { method, agent: false, headers: { authorization: `Bearer ${token}` } });
  asking.on('response', (incoming) => {
    incoming.on('error', () => undefined);
    resolve(incoming.statusCode ?? 0);
  });
  asking.on('error', reject);
  asking.end();
  onTestFinished(() => void asking.destroy());
  return promise;
}

/** Sends requests on one connection without waiting. @returns how many answers have each status */
export async function statuses(
  url: string,
  count: number,
  ...headers: string[]
): Promise<Record<string, number>> {
  const { port, pathname } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const ask = (last: boolean): string =>
    [
      `GET ${pathname} HTTP/1.1`,
      `host: 127.0.0.1:${port}`,
      ...headers,
      `connection: ${last ? 'close' : 'keep-alive'}`,
      '',
      '',
    ].join('\r\n');
  socket.write(ask(false).repeat(count - 1) + ask(true));
  const counts: Record<string, number> = {};
  for (const [, status = ''] of (await text(socket)).matchAll(/HTTP\/1\.1 (\d{3}) /g))
    counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
