import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  encodeFrame,
  FilerError,
  listen,
  loadIdentity,
  Messenger,
  readHello,
  UNAUTHENTICATED_OPTIONS,
  type AcceptedLink,
  type Identity,
  type Listener,
} from '@filer/protocol';
import { EvilPeer, type Evil } from '../support/evil-peer.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { TestNetwork } from '../support/test-network.ts';
import { ATTACKER_NICE, floodArguments, memberOf } from './victim.ts';

/** At the server: strangers, joiners and a member. */
const OF_SERVER = [
  ...['silent', 'drips', 'halves', 'handshakes', 'keys', 'joiners', 'headers'],
  ...['connections', 'parts', 'directory', 'heartbeats', 'unknown', 'removals', 'reports'],
];

/** At a client: strangers, a member, and a sender. */
const OF_CLIENT = ['keys', 'connections', 'parts', 'texts', 'lists', 'holding', 'offers'];

/** One attacker of each kind at the server and at one client: outsiders, joiners, a member, a removed one, a sender and a receiver. */
export class Attackers implements AsyncDisposable {
  readonly #processes: ChildProcess[] = [];
  readonly #ends: Promise<unknown>[] = [];
  readonly #receiver: EvilPeer;
  readonly #proxy: TcpProxy;

  private constructor(receiver: EvilPeer, proxy: TcpProxy) {
    this.#receiver = receiver;
    this.#proxy = proxy;
  }

  /** @param victim the client @returns when `evil`, `gone` and `taker` have joined; what is sent to `taker` reaches the evil receiver */
  static async open(network: TestNetwork, victim: string, ms: number): Promise<Attackers> {
    for (const name of ['evil', 'gone', 'taker']) await network.join(name);
    const { code, stderr } = await network.ofServer(['remove', 'gone', '--yes']);
    if (code !== 0) throw new Error(`remove failed: ${stderr}`);
    const proxy = await TcpProxy.open();
    await writeFile(join(network.home('taker'), 'config.toml'), `advertise = ["${proxy.address}"]\n`);
    await network.start('taker');
    const receiver = await EvilPeer.open(network.home('taker'));
    receiver.does = anyOf([silent, cutting, unwanted, endless]);
    proxy.target = receiver.address;
    const own = new Attackers(receiver, proxy);
    const { network: id } = (await memberOf(network.home('evil'))).membership;
    const attack = (who: string, kind: string, as: string): void => {
      const { port, id: whose } = network.daemon(who);
      const target = {
        host: '127.0.0.1',
        port,
        id: whose,
        network: id,
        home: network.home(as),
        count: 2,
        ms,
      };
      own.#add(spawn(process.execPath, floodArguments(kind, target), { stdio: 'ignore' }));
    };
    for (const kind of OF_SERVER) attack('server', kind, 'evil');
    for (const kind of OF_CLIENT) attack(victim, kind, 'evil');
    for (const who of ['server', victim]) attack(who, 'connections', 'gone');
    return own;
  }

  #add(attacker: ChildProcess): void {
    this.#processes.push(attacker);
    this.#ends.push(once(attacker, 'close'));
    if (attacker.pid !== undefined) setPriority(attacker.pid, ATTACKER_NICE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const attacker of this.#processes) if (attacker.exitCode === null) attacker.kill('SIGKILL');
    await Promise.all(this.#ends);
    await this.#receiver[Symbol.asyncDispose]();
    await this.#proxy[Symbol.asyncDispose]();
  }
}

function anyOf(all: readonly Evil[]): Evil {
  return (peer) => all[randomInt(all.length)]?.(peer) ?? Promise.resolve();
}

/** Takes the connection and says nothing. */
const silent: Evil = async ({ hand }) => void (await Promise.race([hand.hear('never'), wait(30_000)]));

const cutting: Evil = async ({ hand }) => {
  await hand.hear('offer');
  hand.messenger.destroy();
};

const unwanted: Evil = async ({ hand }) => {
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [{ answer: 'unwanted' }]);
  await hand.hear('done', 'error');
  await hand.say({ type: 'done' });
};

/** Works and works. */
const endless: Evil = async ({ hand }) => {
  while (hand.messenger.open) {
    await hand.say({ type: 'working' });
    await wait(1);
  }
};

/** What an ip-server pours over a client that trusts it. */
const POURED = [
  encodeFrame({ type: 'nothing', id: '1' }),
  encodeFrame({ type: 'removals-get', id: '1', after: '0' }),
  encodeFrame({ type: 'text', id: '1' }, Buffer.from('{"from":"x"}')),
  encodeFrame({ type: 'directory', epoch: 'x', from: '0', seq: '1', time: '1' }),
  encodeFrame({ type: 'directory', epoch: 'x', from: '0', seq: '1', time: '1' }, Buffer.alloc(60_000, 3)),
  encodeFrame({ type: 'removals', after: '0' }, Buffer.from('[[]]')),
];

/** An ip-server that has turned evil, and the one client of its network. */
export class EvilServer implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly #listener: Listener;

  private constructor(network: TestNetwork, listener: Listener) {
    this.network = network;
    this.#listener = listener;
  }

  /** @param client its name @param daemonEnv more variables of its daemon */
  static async open(client: string, daemonEnv: Readonly<Record<string, string>>): Promise<EvilServer> {
    const network = await TestNetwork.open({ running: [client], daemonEnv });
    const { port } = network.server;
    await network.server.stop();
    const identity = await loadIdentity(network.serverHome);
    if (identity === undefined) throw new Error('the server was started before');
    const endpoint = { transport: 'tls', host: '127.0.0.1', port, identity } as const;
    return new EvilServer(
      network,
      await listen(endpoint, { onConnection: (link) => void pourOver(link, identity) }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close();
    await this.#listener.close();
  }
}

/** Never rejects: a client may go away. */
async function pourOver(link: AcceptedLink, { id }: Identity): Promise<void> {
  const messenger = new Messenger(link.socket, { ...UNAUTHENTICATED_OPTIONS, peerId: link.peerId });
  const frame = POURED[randomInt(POURED.length)] ?? Buffer.alloc(0);
  const block = Buffer.concat(
    Array.from({ length: Math.max(1, Math.floor(65_536 / frame.length)) }, () => frame),
  );
  try {
    const { hello, version, welcome } = await readHello(messenger);
    const { network, removals } = hello;
    await welcome({ version, features: [], network, removals, software: id.slice(0, 8), heartbeatMs: 500 });
    messenger.socket.resume();
    while (messenger.open) {
      await messenger.sendFrames(block);
      await wait(1);
    }
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
  } finally {
    messenger.destroy();
  }
}
