import { once } from 'node:events';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  dial,
  formatWelcome,
  listen,
  Messenger,
  parseHello,
  parseOffer,
  sayHello,
  signPeerRecord,
  unauthenticatedMessenger,
  type Hello,
  type Link,
  type Listener,
  type Message,
} from '@filer/protocol';
import { sendFiles } from '@filer/transfer';
import { helloOf, TestMember, type MemberConnection } from '../support/test-member.ts';
import { TestNetwork } from '../support/test-network.ts';

const LARGE_BYTES = 200 * 1024 * 1024;
const TOKEN = 'A'.repeat(43);

/** Connections in the order in which they came. */
class Arrivals {
  readonly #links: Link[] = [];
  readonly #waiting: ((link: Link) => void)[] = [];

  put(link: Link): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#links.push(link);
    else waiting(link);
  }

  next(): Promise<Link> {
    const link = this.#links.shift();
    return link === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(link);
  }
}

/** A member made by hand that a real daemon finds and dials. */
class HandMade implements AsyncDisposable {
  readonly member: TestMember;
  readonly #listener: Listener;
  readonly #presence: MemberConnection;
  readonly #arrivals: Arrivals;

  private constructor(
    member: TestMember,
    listener: Listener,
    presence: MemberConnection,
    arrivals: Arrivals,
  ) {
    this.member = member;
    this.#listener = listener;
    this.#presence = presence;
    this.#arrivals = arrivals;
  }

  static async join(network: TestNetwork, name: string, address?: string): Promise<HandMade> {
    const member = await TestMember.join((await network.invite()).trim(), name);
    const arrivals = new Arrivals();
    const listener = await listen(
      { transport: 'tls', host: '127.0.0.1', port: 0, identity: member.identity },
      {
        onConnection: (link) => {
          link.admit();
          arrivals.put(link);
        },
      },
    );
    if (!('port' in listener.address)) throw new Error('it has a port');
    const record = signPeerRecord(member.identity, {
      network: member.network,
      addresses: [address ?? `127.0.0.1:${listener.address.port}`],
      seq: Date.now(),
      expiresAt: Date.now() + 60_000,
    });
    const presence = await member.connect({ hello: { record } });
    return new HandMade(member, listener, presence, arrivals);
  }

  /** The next connection that is opened to it, with what it says first. */
  async accept(features: readonly string[]): Promise<{ messenger: Messenger; hello: Hello }> {
    const link = await this.#arrivals.next();
    const messenger = new Messenger(link.socket, { peerId: link.peerId });
    const first = await next(messenger);
    const hello = parseHello(first);
    const { network, membership } = this.member;
    const welcome = { version: 1, features, network, removals: 0, software: 'test', membership };
    const { header, content } = formatWelcome(welcome, first.header['id'] ?? '');
    await messenger.send(header, content);
    return { messenger, hello };
  }

  /** Opens a connection to a daemon. */
  async open(port: number, id: string, hello: Partial<Hello>): Promise<Messenger> {
    const { identity, network, membership } = this.member;
    const endpoint = { transport: 'tls', host: '127.0.0.1', port, identity, expect: id } as const;
    const messenger = unauthenticatedMessenger(await dial(endpoint));
    await sayHello(messenger, helloOf(network, { purpose: 'transfer', membership, ...hello }));
    return messenger;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#presence.close();
    await this.#listener.close();
  }
}

async function next(messenger: Messenger): Promise<Message> {
  const result: IteratorResult<Message, unknown> = await messenger[Symbol.asyncIterator]().next();
  if (result.done === true) throw (await messenger.closed) ?? new Error('it was closed');
  return result.value;
}

describe('a receiver of much opens the connection for it', () => {
  let network: TestNetwork;
  let aliceId: string;
  let large: string;
  beforeAll(async () => {
    network = await TestNetwork.open({ running: ['alice'] });
    aliceId = String((await network.ask('alice', 'status'))[0]?.['id']);
    large = network.path('large');
    await writeFile(large, '');
    await truncate(large, LARGE_BYTES);
  });
  afterAll(() => network.close());

  test('a sender asks for it, and the offer comes over that connection', async () => {
    await using bob = await HandMade.join(network, 'bob');
    await network.seesAs('alice', 'bob', 'online');
    const command = network.follow('alice', ['send', large, '--to', 'bob', '--json']);
    const { messenger: first, hello } = await bob.accept(['call-back']);

    // Another member does not get it.
    await using eve = await HandMade.join(network, 'eve');
    const { callBack = '' } = hello;
    await expect(
      eve.open(network.daemon('alice').port, aliceId, { calledBack: callBack }),
    ).rejects.toMatchObject({ code: 'refused' });
    const own = await bob.open(network.daemon('alice').port, aliceId, { calledBack: callBack });

    expect(parseOffer(await next(own)).bytes).toBe(LARGE_BYTES);
    await expect(
      bob.open(network.daemon('alice').port, aliceId, { calledBack: callBack }),
    ).rejects.toMatchObject({ code: 'refused' });
    await command.stop('SIGINT');
    first.destroy();
    own.destroy();
  });

  test.each([
    ['says that it cannot', ['call-back']],
    ['has never heard of it', []],
  ])('a receiver that %s gets the offer over the first connection', async (_, features) => {
    const name = features.length > 0 ? 'carol' : 'dave';
    await using peer = await HandMade.join(network, name);
    await network.seesAs('alice', name, 'online');
    const command = network.follow('alice', ['send', large, '--to', name, '--json']);
    const { messenger, hello } = await peer.accept(features);
    if (features.length > 0) await messenger.send({ type: 'no-call-back' });

    expect(hello.callBack).toMatch(/^[\w-]{43}$/);
    expect(parseOffer(await next(messenger)).bytes).toBe(LARGE_BYTES);
    await command.stop('SIGINT');
    messenger.destroy();
  });

  test('a small file is sent without asking', async () => {
    await using peer = await HandMade.join(network, 'frank');
    await network.seesAs('alice', 'frank', 'online');
    const command = network.follow('alice', ['send', await network.file('small'), '--to', 'frank', '--json']);
    const { messenger, hello } = await peer.accept(['call-back']);

    expect(hello.callBack).toBeUndefined();
    expect((await next(messenger)).header['type']).toBe('offer');
    await command.stop('SIGINT');
    messenger.destroy();
  });

  test('a daemon that is asked opens it, and receives over it', async () => {
    await using peer = await HandMade.join(network, 'grace');
    await network.seesAs('alice', 'grace', 'online');
    const first = await peer.open(network.daemon('alice').port, aliceId, { callBack: TOKEN });

    const { messenger, hello } = await peer.accept([]);

    expect(hello).toMatchObject({ purpose: 'transfer', calledBack: TOKEN });
    await delivers(messenger, peer);
    await first.close();
    await messenger.closed; // who ends the first one, ends both
  });

  test('a daemon opens it to where it was asked from, and to no other machine that the asker names', async () => {
    let knocks = 0;
    const neighbour = createServer((socket) => {
      knocks++;
      socket.destroy();
    });
    await once(neighbour.listen(0, '127.0.0.2'), 'listening');
    const address = neighbour.address();
    if (address === null || typeof address === 'string') throw new Error('it has a port');
    await using peer = await HandMade.join(network, 'judy', `127.0.0.2:${address.port}`);
    await network.seesAs('alice', 'judy', 'online');
    const first = await peer.open(network.daemon('alice').port, aliceId, { callBack: TOKEN });

    expect((await next(first)).header['type']).toBe('no-call-back');
    expect(knocks).toBe(0);
    await first.close();
    neighbour.close();
  });

  test('a daemon that cannot open it says so, and receives over the first one', async () => {
    await using peer = await HandMade.join(network, 'heidi', '127.0.0.1:1');
    await network.seesAs('alice', 'heidi', 'online');
    const first = await peer.open(network.daemon('alice').port, aliceId, { callBack: TOKEN });

    expect((await next(first)).header['type']).toBe('no-call-back');
    await delivers(first, peer);
    await first.close();
  });

  async function delivers(messenger: Messenger, { member }: HandMade): Promise<void> {
    const file = await network.file('sent');
    const { id: senderId, network: networkId } = member;
    const options = { files: [{ file }], network: networkId, senderId, receiverId: aliceId };
    expect(await sendFiles(messenger, options)).toMatchObject({ ok: true });
    const received = await readFile(network.inbox('alice', member.membership.name, 'sent'));
    expect(received.equals(await readFile(file))).toBe(true);
  }
});
