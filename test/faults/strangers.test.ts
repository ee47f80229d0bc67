import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { createIdentity, encodeFrame, loadIdentity, type Identity } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filesBelow, sha256, TestNetwork } from '../support/test-network.ts';
import type { DaemonProcess } from '../support/programs.ts';

/** What comes to a port that the world can reach; each ends when the other side has had enough of it. */
const strangers: readonly { readonly what: string; readonly visit: (at: At) => Socket }[] = [
  { what: 'a port scanner', visit: ({ raw }) => raw().end() },
  {
    what: 'a connection that is reset',
    visit: ({ raw }) => whenOpen(raw(), (socket) => socket.resetAndDestroy()),
  },
  { what: 'a browser', visit: ({ raw }) => say(raw(), 'GET / HTTP/1.1\r\nHost: bob\r\n\r\n') },
  { what: 'noise', visit: ({ raw }) => say(raw(), randomBytes(65_536)) },
  {
    what: 'noise that looks like TLS',
    visit: ({ raw }) => say(raw(), Buffer.from([22, 3, 1, 255, 255, 1, 2, 3])),
  },
  { what: 'our frames without TLS', visit: ({ raw }) => say(raw(), encodeFrame({ type: 'hello', id: '0' })) },
  { what: 'a length of 4 GiB', visit: ({ raw }) => say(raw(), Buffer.alloc(8, 255)) },
  { what: 'silence', visit: ({ raw }) => raw() },
  {
    what: 'half a ClientHello',
    visit: ({ raw }) => say(raw(), Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])),
  },
  { what: 'TLS without a certificate', visit: ({ tls }) => tls({ key: undefined, cert: undefined }) },
  { what: 'TLS without our ALPN', visit: ({ tls }) => tls({ ALPNProtocols: [] }) },
  { what: 'TLS 1.2', visit: ({ tls }) => tls({ maxVersion: 'TLSv1.2' }) },
  { what: 'TLS and then silence', visit: ({ tls }) => tls({}) },
  { what: 'TLS and then noise', visit: ({ tls }) => say(tls({}), randomBytes(65_536)) },
  { what: 'TLS and no hello', visit: ({ tls }) => say(tls({}), encodeFrame({ type: 'report', id: '1' })) },
  {
    what: 'a hello of a header without end',
    visit: ({ tls }) =>
      say(tls({}), Buffer.concat([Buffer.from([0, 0, 255, 255, 0, 0, 0, 0]), Buffer.alloc(100, '{')])),
  },
  {
    what: 'a member that says nothing sensible',
    visit: ({ tls, member }) =>
      say(tls({ key: member.keyPem, cert: member.certPem }), encodeFrame({ type: 'hello' })),
  },
];

/** Where they go, and what they may show. */
interface At {
  readonly raw: () => Socket;
  readonly tls: (options: ConnectionOptions) => Socket;
  readonly member: Identity;
}

function whenOpen(socket: Socket, act: (socket: Socket) => unknown): Socket {
  socket.once('connect', () => act(socket));
  return socket;
}

function say(socket: Socket, bytes: string | Uint8Array): Socket {
  socket.write(bytes);
  return socket;
}

const TURNED_AWAY = /^.*(?:a connection was turned away|a connection was refused|connection refused).*$/;

// Each waits 10 s for those that are silent.
describe.concurrent.each(['bob', 'server'])('strangers at the port of %s', (name) => {
  let network: TestNetwork;
  let daemon: DaemonProcess;

  beforeAll(async () => {
    network = await TestNetwork.open({ running: ['anna', 'bob'] });
    await network.seesAs('anna', 'bob', 'online');
    daemon = network.daemon(name);
  });
  afterAll(() => network.close());

  test('cost one line of the log each, and honest members do not notice', async () => {
    const { port } = daemon;
    const host = '127.0.0.1';
    const [identity, member] = await Promise.all([createIdentity(), loadIdentity(network.home('anna'))]);
    if (member === undefined) throw new Error('anna has joined');
    const at: At = {
      raw: () => connect({ host, port }),
      tls: (options) =>
        connectTls({
          host,
          port,
          key: identity.keyPem,
          cert: identity.certPem,
          ALPNProtocols: ['filer/1'],
          rejectUnauthorized: false,
          ...options,
        }),
      member,
    };
    const gone = strangers.map(async ({ visit }) => {
      const socket = visit(at);
      socket.on('error', () => undefined); // being turned away is one
      socket.resume();
      await new Promise((resolve) => socket.once('close', resolve));
    });
    for (let round = 0; round < 3; round++) {
      const file = await network.file(`honest-${round}.bin`, 2_000_000);
      await network.ask('anna', 'send', file, '--to', 'bob');
      expect(await sha256(network.inbox('bob', 'anna', `honest-${round}.bin`))).toBe(await sha256(file));
      await network.ask('anna', 'report', `round=${round}`);
    }
    await Promise.all(gone);
    await daemon.said(TURNED_AWAY, strangers.length);
    await network.ask('anna', 'message', 'bob', 'still there?'); // a line too many would be there by now

    expect(daemon.count(TURNED_AWAY)).toBe(strangers.length);
    expect(daemon.stderr).not.toMatch(/\berror\b {2}|^\s+at /m);
    const names = await filesBelow(network.inbox('bob'));
    expect(names).toHaveLength(3);
    expect(daemon.child.exitCode).toBeNull();
  });
});
