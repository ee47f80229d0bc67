import { execFile } from 'node:child_process';
import { connect as connectPlain, createServer as createPlainServer, type Socket } from 'node:net';
import { connect, createServer, type ConnectionOptions, type TLSSocket, type TlsOptions } from 'node:tls';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  ALPN,
  Server,
  createIdentity,
  dial,
  type Endpoint,
  FilerError,
  isHandshakeUnanswered,
  type Identity,
  type Messenger,
} from '@filer/protocol';
import { needs } from '../support/needs.ts';
import { failureOf } from './outcome.ts';
import { gone, until } from './wires.ts';

const run = promisify(execFile);
const [ours, theirs, other] = await Promise.all([createIdentity(), createIdentity(), createIdentity()]);

/** Counts what reaches the application, and welcomes a peer that says something. */
class Counting extends Server {
  bytes = 0;
  met: string[] = [];
  ended: (FilerError | undefined)[] = [];

  protected override onClosed(_: Messenger, __: number, reason: FilerError | undefined): void {
    this.ended.push(reason);
  }

  protected override async serve(messenger: Messenger): Promise<void> {
    this.met.push(messenger.peerId ?? 'nobody');
    for await (const { header } of messenger) {
      this.bytes = messenger.receivedBytes;
      this.admit(messenger);
      await messenger.send(header);
    }
  }
}

describe('a TLS server', () => {
  let server: Counting;
  let port: number;
  let refused: [string, string][];

  const open = async (authenticationMs: number): Promise<void> => {
    refused = [];
    server = new Counting();
    await server.open(
      { transport: 'tls', host: '127.0.0.1', port: 0, identity: ours },
      { authenticationMs, onRefused: (address, why) => refused.push([address, why]) },
    );
    port = 'port' in server.addr ? server.addr.port : 0;
  };
  const openWith = async (authenticationMs: number): Promise<void> => {
    await server.stop();
    await open(authenticationMs);
  };
  beforeEach(() => open(60_000));
  afterEach(() => server.stop());

  const endpoint = (change: { identity?: Identity; expect?: string } = {}): Endpoint => ({
    transport: 'tls',
    host: '127.0.0.1',
    port,
    identity: theirs,
    expect: ours.id,
    ...change,
  });

  /** A client that keeps to no rule but those given. */
  const stranger = (options: ConnectionOptions = {}): TLSSocket =>
    connect({
      host: '127.0.0.1',
      port,
      key: theirs.keyPem,
      cert: theirs.certPem,
      ALPNProtocols: [ALPN],
      rejectUnauthorized: false,
      ...options,
    }).on('error', () => undefined);

  /** What the log says about a connection that was turned away. */
  const refusalOf = async (socket: Socket): Promise<string> => {
    await gone(socket.resume());
    await until(() => refused.length > 0);
    expect(refused).toHaveLength(1);
    expect(refused[0]?.[0]).toBe('127.0.0.1');
    expect(server.met).toEqual([]);
    return refused[0]?.[1] ?? '';
  };

  test('both sides know each other by the key that was proved', async () => {
    const link = await dial(endpoint());
    expect(link.peerId).toBe(ours.id);
    await until(() => server.met.length === 1);
    expect(server.met).toEqual([theirs.id]);
    link.socket.destroy();
  });

  test('a stranger without a certificate is turned away', async () => {
    const socket = stranger({ key: undefined, cert: undefined });
    expect(await refusalOf(socket)).toBe('the other side showed no certificate');
  });

  test.skipIf(needs('openssl'))('a certificate that is not Ed25519 is turned away', async () => {
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=rsa'];
    const { stdout } = await run('openssl', [...request, '-keyout', '-', '-out', '-']);
    const socket = stranger({ key: stdout, cert: stdout });
    expect(await refusalOf(socket)).toBe('the certificate of the other side has no Ed25519 key');
  });

  test('a client without ALPN is turned away', async () => {
    const socket = stranger({ ALPNProtocols: undefined });
    expect(await refusalOf(socket)).toBe('the other side does not speak filer/1');
  });

  test('a client with another ALPN is turned away', async () => {
    const socket = stranger({ ALPNProtocols: ['h2', 'http/1.1'] });
    expect(await refusalOf(socket)).toMatch(/no TLS handshake of ours/);
  });

  test('TLS 1.2 is turned away', async () => {
    const socket = stranger({ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' });
    expect(await refusalOf(socket)).toMatch(/no TLS handshake of ours/);
  });

  test('a session is never resumed, so that a stolen ticket is worth nothing', async () => {
    const first = stranger();
    const sessions: Buffer[] = [];
    first.on('session', (session) => sessions.push(session));
    first.write(Buffer.from('0000000000000000', 'hex'));
    await new Promise((resolve) => first.once('data', resolve));
    sessions.push(first.getSession() ?? Buffer.alloc(0));
    first.destroy();

    for (const [index, session] of sessions.entries()) {
      const thief = stranger({ session, key: other.keyPem, cert: other.certPem });
      await until(() => server.met.length === index + 2);
      expect(thief.isSessionReused()).toBe(false);
      thief.destroy();
    }
    expect(sessions.length).toBeGreaterThan(0);
    expect(server.met).toEqual([theirs.id, ...sessions.map(() => other.id)]);
  });

  test.each([
    ['says nothing', ''],
    ['sends half a ClientHello', '16030100c8010000c40303'],
  ])('a socket that %s is destroyed when its time is over', async (_, hex) => {
    await openWith(100);
    const socket = connectPlain(port, '127.0.0.1').on('error', () => undefined);
    socket.write(Buffer.from(hex, 'hex'));
    expect(await refusalOf(socket)).toBe('it did not prove who it is within 0.1 s');
  });

  test('a TLS client that says no hello is destroyed when its time is over, and only who served it tells', async () => {
    await openWith(1_000);
    const link = await dial(endpoint());
    await gone(link.socket.resume());
    await until(() => server.ended.length > 0);
    expect(server.met).toEqual([theirs.id]);
    expect(server.ended).toMatchObject([
      { code: 'timed-out', message: expect.stringMatching(/^127\.0\.0\.1 .* 1 s/) as string },
    ]);
    expect(refused).toEqual([]);
  });

  test('a client that was admitted stays past that time', async () => {
    await openWith(2_000);
    const link = await dial(endpoint());
    link.socket.write(Buffer.alloc(8));
    const silent = await dial(endpoint());
    await gone(silent.socket.resume());
    expect(link.socket.closed).toBe(false);
    link.socket.destroy();
  });

  test.each([
    ['plain text', 'GET / HTTP/1.0\r\n\r\n'],
    ['a broken record', '\u0016\u0003\u0001\u0000\u0005\u0001\u0000\u0000\u0000\u0000'],
  ])('%s costs one line in the log', async (_, text) => {
    const socket = connectPlain(port, '127.0.0.1').on('error', () => undefined);
    socket.end(Buffer.from(text, 'latin1'));
    const why = await refusalOf(socket);
    expect(why).toMatch(/^it (made no TLS handshake of ours|left before)/);
    expect(why).not.toContain('\n');
  });

  test('a connection that is reset in the middle of its handshake costs one line in the log', async () => {
    const socket = connectPlain(port, '127.0.0.1');
    await new Promise((resolve) => socket.write(Buffer.from('16030100c8', 'hex'), resolve));
    socket.resetAndDestroy();
    await until(() => refused.length > 0);
    expect(refused).toHaveLength(1);
  });

  test('an honest client is served while 300 silent sockets wait', async () => {
    const silent = Array.from({ length: 300 }, () =>
      connectPlain(port, '127.0.0.1').on('error', () => undefined),
    );
    await until(() => refused.length >= 44);

    const link = await dial(endpoint());
    expect(link.peerId).toBe(ours.id);
    expect(new Set(refused.map(([, why]) => why))).toEqual(
      new Set(['it gave way to a newcomer, since too many connections wait to authenticate']),
    );
    for (const socket of silent) socket.destroy();
    link.socket.destroy();
  });

  test('stopping ends those who wait to authenticate too', async () => {
    const silent = connectPlain(port, '127.0.0.1').on('error', () => undefined);
    await new Promise((resolve) => silent.once('connect', resolve));
    const half = stranger();
    await until(() => server.met.length === 1);
    await server.stop();
    await Promise.all([gone(silent), gone(half)]);
    expect(refused).toEqual([]);
  });

  test('an id that is not the expected one stops the dialler before it writes a byte', async () => {
    const error = await failureOf(dial(endpoint({ expect: other.id })));
    expect(error.code).toBe('identity-mismatch');
    expect(error.message).toContain(`is ${ours.id}, not the expected ${other.id}`);
    await until(() => server.messengers.size === 0);
    expect(server.bytes).toBe(0);
  });
});

describe('a TLS dialler', () => {
  /** A server that keeps to no rule but those given. */
  async function impostor(options: TlsOptions) {
    const received: Buffer[] = [];
    const server = createServer({ key: other.keyPem, cert: other.certPem, ...options }, (socket) => {
      socket.on('error', () => undefined).on('data', (piece: Buffer) => received.push(piece));
    });
    server.on('tlsClientError', () => undefined);
    const port = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const endpoint: Endpoint = {
      transport: 'tls',
      host: '127.0.0.1',
      port,
      identity: ours,
      expect: theirs.id,
    };
    return { endpoint, received, close: () => server.close() };
  }

  test('writes no application byte to a server with another key, in 200 tries', async () => {
    const { endpoint, received, close } = await impostor({ ALPNProtocols: [ALPN] });
    const dialled = (): Promise<FilerError> =>
      failureOf(dial(endpoint).then(({ socket }) => void socket.write('secret')));
    for (let tries = 0; tries < 200; tries += 20) {
      const errors = await Promise.all(Array.from({ length: 20 }, dialled));
      expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['identity-mismatch']));
    }
    expect(received).toEqual([]);
    close();
  });

  test.each([
    ['without ALPN', {}, 'verification-failed'],
    ['with another ALPN', { ALPNProtocols: ['h2'] }, 'connect-failed'],
    ['of TLS 1.2', { maxVersion: 'TLSv1.2', ALPNProtocols: [ALPN] }, 'connect-failed'],
  ] as [string, TlsOptions, string][])(
    'does not speak to a server %s',
    async (_, options: TlsOptions, code) => {
      const { endpoint, received, close } = await impostor(options);
      expect((await failureOf(dial(endpoint))).code).toBe(code);
      expect(received).toEqual([]);
      close();
    },
  );

  test('gives up on a server that never answers its handshake', async () => {
    const sockets: Socket[] = [];
    const silent = createPlainServer((socket) => sockets.push(socket.resume().on('error', () => undefined)));
    const port = await new Promise<number>((resolve) => {
      silent.listen(0, '127.0.0.1', () => {
        const address = silent.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const endpoint: Endpoint = { transport: 'tls', host: '127.0.0.1', port, identity: ours };
    const error = await failureOf(dial(endpoint, { timeoutMs: 100 }));
    expect(error.code).toBe('timed-out');
    expect(error.message).toContain(`127.0.0.1:${port} took the connection`);
    expect(isHandshakeUnanswered(new FilerError('peer-unreachable', 'x', { cause: error }))).toBe(true);
    expect(isHandshakeUnanswered(new FilerError('timed-out', 'x'))).toBe(false);
    await until(() => sockets.length === 1);
    await gone(sockets[0] ?? connectPlain(port));
    silent.close();
  });
});
