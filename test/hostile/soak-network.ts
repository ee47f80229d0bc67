import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { TestNetwork } from '../support/test-network.ts';

/** Machines that are started at once. */
const AT_ONCE = 5;

/** How long a connection is slow, and by how much each of its pieces is late, in ms. */
const SLOW_MS = 10_000;
const DELAY_MS = [50, 500] as const;

export const FAULTS = ['kill', 'cut', 'slow', 'half-open'] as const;
export type Fault = (typeof FAULTS)[number];

/** A network in which each machine and the server are reached over a forwarder, which does to connections what bad networks do. */
export class SoakNetwork implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly #proxies: ReadonlyMap<string, TcpProxy>;
  readonly #ports = new Map<string, number>();

  private constructor(network: TestNetwork, proxies: ReadonlyMap<string, TcpProxy>) {
    this.network = network;
    this.#proxies = proxies;
  }

  /** @param daemonEnv more variables of the daemons */
  static async open(
    names: readonly string[],
    daemonEnv: Readonly<Record<string, string>>,
  ): Promise<SoakNetwork> {
    const all = ['server', ...names];
    const proxies = new Map(
      await Promise.all(all.map(async (name) => [name, await TcpProxy.open()] as const)),
    );
    const own = new SoakNetwork(
      await TestNetwork.open({
        serverArgs: ['--advertise', proxies.get('server')?.address ?? ''],
        daemonEnv,
        pace: ['--broadcast-interval', '1s', '--report-interval', '2s'],
      }),
      proxies,
    );
    own.proxy('server').target = own.network.server.listen;
    // One after the other: joiners of one address have turns, and some time for them.
    for (const name of names) await own.network.join(name);
    for (let n = 0; n < names.length; n += AT_ONCE)
      await Promise.all(names.slice(n, n + AT_ONCE).map((name) => own.#add(name)));
    return own;
  }

  /** What stands before a machine. */
  proxy(name: string): TcpProxy {
    const proxy = this.#proxies.get(name);
    if (proxy === undefined) throw new Error(`there is no ${name}`);
    return proxy;
  }

  async #add(name: string): Promise<void> {
    await this.#start(name);
    await this.network.daemon(name).said('connected to the ip-server');
  }

  async #start(name: string): Promise<void> {
    const proxy = this.proxy(name);
    const listen = `127.0.0.1:${this.#ports.get(name) ?? 0}`;
    const { port } = await this.network.startAlone(name, '--listen', listen, '--advertise', proxy.address);
    this.#ports.set(name, port);
    proxy.target = `127.0.0.1:${port}`;
  }

  /** Does it to a machine or the server; a killed one is there again when this resolves. */
  async fault(what: Fault, name: string): Promise<void> {
    const proxy = this.proxy(name);
    switch (what) {
      case 'kill':
        await this.network.daemon(name).stop('SIGKILL');
        await (name === 'server' ? this.network.startServer() : this.#start(name));
        return;
      case 'cut':
        proxy.cut();
        return;
      case 'slow':
        proxy.delayMs = randomInt(...DELAY_MS);
        void wait(SLOW_MS, undefined, { ref: false }).then(() => (proxy.delayMs = 0));
        return;
      case 'half-open':
        proxy.lose();
        return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close();
    for (const proxy of this.#proxies.values()) await proxy[Symbol.asyncDispose]();
  }
}
