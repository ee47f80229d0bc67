import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ip = async (...args: string[]): Promise<void> => void (await run('ip', args));

/**
 * What a router does with the ports of what goes out (`keeps` them, or gives `random` ones), and with a SYN that it does not
 * expect: it drops it, or with `resets` answers a reset.
 */
export type RouterKind = 'keeps' | 'random' | 'resets';

/** Rules for nft: what goes out gets the address of the router, what comes in unasked does not pass. */
function rulesOf(outside: string, kind: RouterKind): string {
  const address = kind === 'random' ? 'masquerade fully-random' : 'masquerade';
  const unasked = kind === 'resets' ? 'reject with tcp reset' : 'drop';
  return `flush ruleset
table ip router {
  chain outgoing { type nat hook postrouting priority 100; oifname "${outside}" ${address}; }
  chain own { type filter hook input priority 0; iifname "${outside}" ct state new meta l4proto tcp ${unasked}; }
  chain passing { type filter hook forward priority 0; iifname "${outside}" ct state new drop; }
}
`;
}

async function nft(host: string, rules: string): Promise<void> {
  const inHost = ['netns', 'exec', host, 'nft', '-f', '-'];
  const child = spawn('ip', inHost, { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(rules);
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`nft ended with ${String(code)}`);
}

let count = 0;

/**
 * Hosts in namespaces: a server at 203.0.113.1, and two machines, each behind a router of its own that lets no connection
 * in. The routers are at 203.0.113.11 and .12, the machines at 192.168.1.2 and 192.168.2.2.
 */
export class NatNetwork implements AsyncDisposable {
  static readonly server = '203.0.113.1';
  readonly #name = `filer-n${process.pid}-${++count}`;
  readonly #hosts: string[] = [];

  private constructor() {}

  static async open(first: RouterKind, second: RouterKind): Promise<NatNetwork> {
    const network = new NatNetwork();
    try {
      await network.#build(first, second);
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What stands before a command line to run it on a host. */
  on(host: 'server' | 'a' | 'b'): { readonly wrapper: readonly string[] } {
    return { wrapper: ['ip', 'netns', 'exec', this.#host(host)] };
  }

  /** Another kind of both routers, for connections that begin from now on. */
  async become(first: RouterKind, second: RouterKind): Promise<void> {
    await nft(this.#host('ra'), rulesOf('out', first));
    await nft(this.#host('rb'), rulesOf('out', second));
  }

  /** The router of a machine gets another address, and loses what it knew of connections. */
  async move(host: 'a' | 'b', address: string): Promise<void> {
    const router = this.#host(host === 'a' ? 'ra' : 'rb');
    await ip('-n', router, 'address', 'flush', 'dev', 'out');
    await ip('-n', router, 'address', 'add', `${address}/24`, 'dev', 'out');
  }

  /** Pulls the cable of a machine, or puts it back. */
  async cable(host: 'a' | 'b', state: 'up' | 'down'): Promise<void> {
    await ip('-n', this.#host(host === 'a' ? 'ra' : 'rb'), 'link', 'set', 'lan', state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts.splice(0)) await ip('netns', 'del', host).catch(() => undefined);
  }

  #host(name: string): string {
    return `${this.#name}-${name}`;
  }

  async #build(first: RouterKind, second: RouterKind): Promise<void> {
    for (const name of ['core', 'server', 'ra', 'rb', 'a', 'b']) {
      const host = this.#host(name);
      await ip('netns', 'add', host);
      this.#hosts.push(host);
      await ip('-n', host, 'link', 'set', 'lo', 'up');
    }
    await ip('-n', this.#host('core'), 'link', 'add', 'bridge', 'type', 'bridge');
    await ip('-n', this.#host('core'), 'link', 'set', 'bridge', 'up');
    await this.#plug('server', `${NatNetwork.server}/24`);
    await this.#plug('ra', '203.0.113.11/24');
    await this.#plug('rb', '203.0.113.12/24');
    await this.#lan('ra', 'a', '192.168.1');
    await this.#lan('rb', 'b', '192.168.2');
    await this.become(first, second);
  }

  /** A cable from a host to the network between the routers. */
  async #plug(name: string, address: string): Promise<void> {
    const [host, core, port] = [this.#host(name), this.#host('core'), `to-${name}`];
    await ip('link', 'add', 'out', 'netns', host, 'type', 'veth', 'peer', 'name', port, 'netns', core);
    await ip('-n', core, 'link', 'set', port, 'master', 'bridge', 'up');
    await ip('-n', host, 'address', 'add', address, 'dev', 'out');
    await ip('-n', host, 'link', 'set', 'out', 'up');
  }

  async #lan(routerName: string, name: string, net: string): Promise<void> {
    const [router, host] = [this.#host(routerName), this.#host(name)];
    await ip('link', 'add', 'lan', 'netns', router, 'type', 'veth', 'peer', 'name', 'lan', 'netns', host);
    await ip('-n', router, 'address', 'add', `${net}.1/24`, 'dev', 'lan');
    await ip('-n', host, 'address', 'add', `${net}.2/24`, 'dev', 'lan');
    for (const each of [router, host]) await ip('-n', each, 'link', 'set', 'lan', 'up');
    await ip('-n', host, 'route', 'add', 'default', 'via', `${net}.1`);
    await ip('netns', 'exec', router, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  }
}
