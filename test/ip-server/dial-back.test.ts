import {
  createIdentity,
  dial,
  FilerError,
  listen,
  reachedMessage,
  reachMessage,
  routed,
  Session,
  signPeerRecord,
  unauthenticatedMessenger,
  type Identity,
  type Listener,
  type PeerRecord,
} from '@filer/protocol';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { DialBack, targetOf } from '../../apps/ip-server/src/network/dial-back.ts';
import { memberRouter, type FromMember } from '../../apps/ip-server/src/network/member-router.ts';

let server: Identity;
let machine: Identity;

beforeAll(async () => {
  [server, machine] = await Promise.all([createIdentity(), createIdentity()]);
});

const recordOf = (...addresses: string[]) =>
  signPeerRecord(machine, { network: machine.id, addresses, seq: 1, expiresAt: Date.now() + 1e6 });

test('a machine is dialled at the address that it comes from, and at a port that it has published', () => {
  const record = recordOf('192.0.2.7:10902', '[2001:db8::7]:10903');

  expect(targetOf('203.0.113.5:40000', record, 10_902)).toEqual({ host: '203.0.113.5', port: 10_902 });
  expect(targetOf('[2001:db8::9]:40000', record, 10_903)).toEqual({ host: '2001:db8::9', port: 10_903 });
});

test.each([
  ['a port that it has not published', '203.0.113.5:40000', 22],
  ['the port from which it comes', '203.0.113.5:40000', 40_000],
  ['loopback, which it has not published', '127.0.0.1:40000', 10_902],
  ['loopback of the other family', '[::1]:40000', 10_902],
  ['a mapped address', '[::ffff:7f00:1]:40000', 10_902],
  ['another mapped address', '[::ffff:10.0.0.1]:40000', 10_902],
  ['a translated address', '[64:ff9b::a00:1]:40000', 10_902],
  ['a link-local address', '[fe80::1]:40000', 10_902],
  ['a link-local address with its interface', '[fe80::1%eth0]:40000', 10_902],
  ['the metadata service of clouds', '169.254.169.254:40000', 10_902],
  ['no address', 'local:1', 10_902],
])('no one is dialled at %s', (_, seen, port) => {
  expect(() => targetOf(seen, recordOf('192.0.2.7:10902'), port)).toThrow(
    expect.objectContaining({ code: 'refused' }),
  );
});

test('a machine that has published nothing is not dialled', () => {
  expect(() => targetOf('203.0.113.5:40000', undefined, 10_902)).toThrow(FilerError);
});

interface Network {
  readonly ask: (port: number) => Promise<{ readonly reached: boolean; readonly address: string }>;
  readonly port: number;
  readonly clock: { now: number };
}

/** A machine in session with a server, and its port. */
async function network(
  failMs = 30_000,
  isOpen = true,
  published = (port: number): PeerRecord => recordOf(`127.0.0.1:${port}`, '127.0.0.1:1'),
): Promise<Network> {
  const clock = { now: 0 };
  const own = await listen(
    { transport: 'tls', host: '127.0.0.1', port: 0, identity: machine },
    { onConnection: (link) => void link.socket.destroy() },
  );
  const { port } = own.address as { port: number };
  if (!isOpen) await own.close();
  const dialBack = new DialBack({
    identity: server,
    recordOf: () => published(port),
    now: () => clock.now,
    failMs,
  });
  const router = memberRouter();
  dialBack.route(router);
  const there: Listener = await listen(
    { transport: 'tls', host: '127.0.0.1', port: 0, identity: server },
    {
      onConnection: (link) => {
        const messenger = unauthenticatedMessenger(link);
        const about = { isSession: true, subscribe: false, software: '0', since: 0, sinceSteadyMs: 0 };
        const connection = { id: machine.id, messenger, incarnation: '1.0', ...about };
        void new Session(messenger, routed<Pick<FromMember, 'connection'>>(router, { connection }, 'daemon'));
      },
    },
  );
  const endpoint = { transport: 'tls', host: '127.0.0.1', identity: machine, expect: server.id } as const;
  const link = await dial({ ...endpoint, port: (there.address as { port: number }).port });
  const session = new Session(unauthenticatedMessenger(link));
  onTestFinished(async () => {
    await session.close();
    await there.close();
    await own.close();
  });
  return {
    ask: async (at) => reachedMessage.parse(await session.ask(reachMessage.format({ port: at }))),
    port,
    clock,
  };
}

test('an open port is reached, and the answer says where', async () => {
  const { ask, port } = await network();

  await expect(ask(port)).resolves.toEqual({ reached: true, address: `127.0.0.1:${port}` });
});

test('a closed port is not reached', async () => {
  const { ask, port } = await network(50, false);

  await expect(ask(port)).resolves.toEqual({ reached: false, address: `127.0.0.1:${port}` });
});

test('of hundreds of requests of one machine one is served in a minute', async () => {
  const { ask, port, clock } = await network();
  const asked = await Promise.allSettled(Array.from({ length: 300 }, () => ask(port)));
  clock.now = 59_000;
  const early = await Promise.allSettled([ask(port)]);
  clock.now = 60_001;
  await ask(port);

  const refused = [...asked, ...early].filter((each) => each.status === 'rejected');
  expect(refused).toHaveLength(300);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'rate-limited' });
  expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a port that was not published costs no turn', async () => {
  const { ask, port } = await network();

  await expect(ask(22)).rejects.toMatchObject({ code: 'refused' });
  await expect(ask(port)).resolves.toMatchObject({ reached: true });
});

test('a machine that publishes another port for each request has one of them dialled in a minute', async () => {
  let n = 0;
  const { ask, clock } = await network(20, false, () => recordOf(`127.0.0.1:${++n}`));
  const outcomes: string[] = [];
  for (let at = 1; at <= 200; at++) {
    clock.now += 1_000;
    outcomes.push(
      await ask(at).then(
        ({ address }) => address,
        (error: unknown) => (error instanceof FilerError ? error.code : 'internal'),
      ),
    );
  }

  expect(n).toBe(200);
  expect(outcomes.filter((each) => each !== 'rate-limited')).toEqual([
    '127.0.0.1:1',
    '127.0.0.1:61',
    '127.0.0.1:121',
    '127.0.0.1:181',
  ]);
});
