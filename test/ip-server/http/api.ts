import { request, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { NetworkHere } from '../../support/network-here.ts';

/** What came back. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Ask {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** A server that serves HTTP, as programs and browsers reach it; headers are sent as they are given, `host` too. */
export class Api {
  readonly network: NetworkHere;

  constructor(network: NetworkHere) {
    this.network = network;
  }

  static async open(settings: Readonly<Record<string, unknown>> = {}): Promise<Api> {
    return new Api(await NetworkHere.open({ httpPort: 0, ...settings }));
  }

  get url(): string {
    return this.network.server.http.url ?? '';
  }

  /** Makes a token. */
  async token(role = 'admin', name = role): Promise<{ readonly token: string; readonly id: string }> {
    const made = await this.network.server.tokens.add(name, role as 'read', 3_600_000);
    return { token: made.token, id: made.stored.id };
  }

  async ask(path: string, { method = 'GET', token, headers = {}, body }: Ask = {}): Promise<Answer> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const given = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    };
    return await new Promise<Answer>((resolve, reject) => {
      const asking = request(
        new URL(path, this.url),
        { method, headers: given, agent: false },
        (incoming) => {
          text(incoming).then(
            (said) => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: said }),
            reject,
          );
        },
      );
      asking.on('error', reject);
      asking.end(content);
    });
  }

  get(path: string, token?: string): Promise<Answer> {
    return this.ask(path, { token });
  }

  post(path: string, token: string | undefined, body: unknown): Promise<Answer> {
    return this.ask(path, { method: 'POST', token, body });
  }

  /** What a page sends in a browser that opened its link. */
  async session(token: string): Promise<{ readonly cookie: string; readonly 'x-filer-session': string }> {
    const { headers, body } = await this.post('/session', undefined, { token });
    const { key } = JSON.parse(body) as { key: string };
    return { cookie: headers['set-cookie']?.[0]?.split(';')[0] ?? '', 'x-filer-session': key };
  }

  close(): Promise<void> {
    return this.network[Symbol.asyncDispose]();
  }
}

/** One for a test alone. */
export async function openApi(settings: Readonly<Record<string, unknown>> = {}): Promise<Api> {
  const api = await Api.open(settings);
  onTestFinished(() => api.close());
  return api;
}
