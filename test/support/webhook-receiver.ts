import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What was posted, as it came. */
export interface Post {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody's receiver of webhooks: a real HTTP server on 127.0.0.1 that keeps what is posted. */
export class WebhookReceiver implements AsyncDisposable {
  readonly posts: Post[] = [];
  /** Statuses of the next answers, in order; then 204. */
  readonly answers: number[] = [];
  readonly #server: Server;
  #wake: (() => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(port = 0): Promise<WebhookReceiver> {
    const server = createServer();
    const receiver = new WebhookReceiver(server);
    server.on('request', (request, response) => {
      void text(request).then((body) => {
        const { method = '', url = '', headers } = request;
        receiver.posts.push({ method, path: url, headers, body });
        const status = receiver.answers.shift() ?? 204;
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
        for (const wake of receiver.#wake.splice(0)) wake();
      });
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hooks/filer?team=ops`;
  }

  /** The post with this number, from 0, as soon as it has come. */
  async post(number: number): Promise<Post> {
    for (;;) {
      const found = this.posts[number];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** What the posts tell, in short: `missing NAME SCHEDULE`. */
  get told(): string[] {
    return this.posts.map(({ body }) => {
      const { type, data } = JSON.parse(body) as { type: string; data: Record<string, string> };
      return `${type.replace('report.', '')} ${data['peer']} ${data['schedule']}`;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/**
 * Whether a post is signed with a secret, as the Standard Webhooks specification says: written here from the
 * specification alone, with the Web's cryptography.
 */
export async function isSigned({ headers, body }: Post, secret: string): Promise<boolean> {
  const key = await crypto.subtle.importKey(
    'raw',
    Buffer.from(secret.replace(/^whsec_/, ''), 'base64'),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['verify'],
  );
  const content = Buffer.from(
    `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`,
  );
  for (const signature of String(headers['webhook-signature']).split(' ')) {
    const [version, base64 = ''] = signature.split(',');
    if (version !== 'v1') continue;
    if (await crypto.subtle.verify('HMAC', key, Buffer.from(base64, 'base64'), content)) return true;
  }
  return false;
}
