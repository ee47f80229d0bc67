import { cp } from 'node:fs/promises';
import { FilerError } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

interface Told {
  readonly since: number;
  /** What does not say the reason in words, or has another code. */
  readonly silent: readonly string[];
}

/** Waits until `status` has the code, and looks who else says why: once more where a new attempt gave another reason meanwhile. */
async function told(client: ClientHere, code: string): Promise<Told> {
  const problemOf = ({ server }: Line) => (server as { problem?: Line | null }).problem;
  for (;;) {
    const status = await client.status((document) => problemOf(document)?.['code'] === code);
    const { message, since } = problemOf(status) ?? {};
    const peersCode = problemOf(await client.ask('peers'))?.['code'];
    const said = {
      status: (await client.run('status')).stdout,
      'a recipient that is unknown': (await client.run('message', 'nobody-here', 'hello')).stderr,
      // That a server is away says enough there.
      peers: code === 'server-unreachable' ? String(message) : (await client.run('peers')).stderr,
    };
    if (problemOf(await client.ask('status'))?.['message'] !== message) continue;
    const silent = Object.entries(said).flatMap(([who, text]) => (text.includes(String(message)) ? [] : who));
    return {
      since: Date.parse(String(since)),
      silent: peersCode === code ? silent : [...silent, 'peers --json'],
    };
  }
}

const said = { since: expect.any(Number) as number, silent: [] };

test('a server that is away, until it is back', async () => {
  const network = await openNetwork();
  const alice = await network.add('alice');
  expect(await alice.ask('status')).toMatchObject({ server: { connected: true, problem: null } });
  await network.stopServer();
  const first = await told(alice, 'server-unreachable');
  expect(first).toEqual(said);
  expect(await told(alice, 'server-unreachable')).toEqual(first);
  await network.startServer();
  alice.daemon.reconnect();
  await alice.connected();

  expect(await alice.ask('status')).toMatchObject({ server: { problem: null } });
});

test('a machine that was removed', async () => {
  const network = await openNetwork();
  const alice = await network.add('alice');
  await network.askServer('remove', 'alice', '--yes');

  expect(await told(alice, 'removed')).toEqual(said);
});

test('a machine that the server does not know', async () => {
  const network = await openNetwork();
  const alice = await network.add('alice');
  const { home, directory } = network.server;
  await directory.leave(alice.daemon.id);
  await network.stopServer();
  await network.startServer(home.identityFolder);
  alice.daemon.reconnect();

  expect(await told(alice, 'not-a-member')).toEqual(said);
});

test('two machines with one identity', async () => {
  const network = await openNetwork();
  await network.join('alice');
  await cp(network.home('alice'), network.home('copy'), { recursive: true });
  const alice = await (await network.start(network.home('alice'))).connected();
  const copy = await network.start(network.home('copy'));
  expect(await told(alice, 'duplicate-identity')).toEqual(said);
  alice.daemon.reconnect();

  expect(await told(copy, 'duplicate-identity')).toEqual(said);
  expect((await copy.run('status')).stdout).toContain('join - --new-identity');
});

test('another server at the address', async () => {
  const network = await openNetwork();
  const alice = await network.add('alice');
  await network.stopServer();
  await network.startServer(network.home('another-server'));
  alice.daemon.reconnect();

  expect(await told(alice, 'identity-mismatch')).toEqual(said);
});

test.each(['name-taken', 'refused', 'version-mismatch'] as const)(
  'a server that answers %s',
  async (code) => {
    const network = await openNetwork();
    const alice = await network.add('alice');
    const { presence } = network.server;
    for (const messenger of presence.of(alice.daemon.id))
      messenger.reject(new FilerError(code, `the reason in words: ${code}`));

    await alice.status(() => alice.log.includes(`the reason in words: ${code}`));
    await alice.connected();
    expect(alice.events).toContainEqual(
      expect.objectContaining({
        type: 'server',
        connected: false,
        reason: `the ip-server says: "the reason in words: ${code}"`,
      }),
    );
  },
);
