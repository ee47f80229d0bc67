import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Link, type Weather } from './link.ts';
import { nft, rulesOf, SILENT, type RouterKind } from './router-rules.ts';

const run = promisify(execFile);

async function ip(...args: string[]): Promise<void> {
  await run('ip', args);
}

let count = 0;

export type HostName = 'server' | 'a' | 'b' | 'c' | 'd';

/** Which versions of IP a machine behind a router has. */
export type Versions = 'ipv4' | 'ipv6';

export interface NatOptions {
  /** Whether a's provider translates once more, so that its router has a shared address (RFC 6598). @default not */
  readonly carrier?: RouterKind;
  /** Of b. @default ipv4 */
  readonly versions?: Versions;
  /** How b's line is. @default a cable of the kernel's */
  readonly weather?: Weather;
}

/**
 * Hosts in namespaces: a server at 203.0.113.1, two machines, each behind a router of its own that lets no connection
 * in, and two without. The routers are at 203.0.113.11 and .12, the machines at 192.168.1.2 and 192.168.2.2, 203.0.113.13 and .14.
 * All but a have addresses of IPv6 where b has: 2001:db8::1 and 2001:db8:2::2.
 */
export class NatNetwork implements AsyncDisposable {
  static readonly server = '203.0.113.1';
  static readonly server6 = '2001:db8::1';
  readonly #name = `filer-n${process.pid}-${++count}`;
  readonly #hosts: string[] = [];
  #line: Link | undefined;

  private constructor() {}

  static async open(first: RouterKind, second: RouterKind, options: NatOptions = {}): Promise<NatNetwork> {
    const network = new NatNetwork();
    try {
      await network.#build(options);
      await network.become(first, second);
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What stands before a command line to run it on a host. */
  on(host: HostName): { readonly wrapper: readonly string[] } {
    return { wrapper: ['ip', 'netns', 'exec', this.#host(host)] };
  }

  /** Another kind of both routers, for connections that begin from now on. */
  async become(first: RouterKind, second: RouterKind): Promise<void> {
    await nft(this.#host('ra'), rulesOf('out', first));
    await nft(this.#host('rb'), rulesOf('out', second));
  }

  /** The router of a machine gets another address, and loses what it knew of connections. */
  async move(host: 'a' | 'b', address: string): Promise<void> {
    const router = this.#routerOf(host);
    await ip('-n', router, 'address', 'flush', 'dev', 'out');
    await ip('-n', router, 'address', 'add', `${address}/24`, 'dev', 'out');
  }

  /** A machine itself gets another address, as from DHCP in another network behind the same router. */
  async readdress(host: 'a' | 'b', lastByte: number): Promise<void> {
    const [own, net] = [this.#host(host), netOf(host)];
    await ip('-n', own, 'address', 'flush', 'dev', 'lan');
    await ip('-n', own, 'address', 'add', `${net}.${lastByte}/24`, 'dev', 'lan');
    await ip('-n', own, 'route', 'add', 'default', 'via', `${net}.1`);
  }

  /** How b's line is, where it has weather. */
  get line(): Link {
    if (this.#line === undefined) throw new Error('the line of b is a cable');
    return this.#line;
  }

  /** Pulls the cable of a machine, or puts it back. */
  async cable(host: 'a' | 'b', state: 'up' | 'down'): Promise<void> {
    await ip('-n', this.#routerOf(host), 'link', 'set', 'lan', state);
  }

  /** Both machines get an interface of a VPN, with 10.8.1.2 and 10.8.2.2, over which they see each other. */
  async tunnel(): Promise<void> {
    const middle = this.#host('v');
    for (const host of ['a', 'b'] as const) {
      const [own, net, port] = [this.#host(host), `10.8.${host === 'a' ? 1 : 2}`, `to-${host}`];
      await ip('link', 'add', 'vpn', 'netns', own, 'type', 'veth', 'peer', 'name', port, 'netns', middle);
      await ip('-n', middle, 'address', 'add', `${net}.1/24`, 'dev', port);
      await ip('-n', middle, 'link', 'set', port, 'up');
      await ip('-n', own, 'address', 'add', `${net}.2/24`, 'dev', 'vpn');
      await ip('-n', own, 'link', 'set', 'vpn', 'up');
      await ip('-n', own, 'route', 'add', '10.8.0.0/16', 'via', `${net}.1`);
    }
    await this.#forwards(middle);
  }

  /** The VPN ends, and its interfaces are gone. */
  async cutTunnel(): Promise<void> {
    for (const host of ['a', 'b']) await ip('-n', this.#host('v'), 'link', 'del', `to-${host}`);
  }

  /** The VPN takes packets up to this size, and what is larger disappears without a word. */
  async narrowTunnel(mtuBytes: number): Promise<void> {
    await nft(this.#host('v'), SILENT);
    for (const host of ['a', 'b'])
      await ip('-n', this.#host('v'), 'link', 'set', `to-${host}`, 'mtu', String(mtuBytes));
  }

  /** The line of a machine takes packets up to this size, and what is larger disappears without a word. */
  async blackHole(host: 'a' | 'b', mtuBytes: number): Promise<void> {
    await nft(this.#routerOf(host), SILENT);
    await ip('-n', this.#routerOf(host), 'link', 'set', 'out', 'mtu', String(mtuBytes));
  }

  /** Sets what the kernel of a host does, such as `net.ipv4.tcp_mtu_probing=1`. */
  async sysctl(host: HostName, setting: string): Promise<void> {
    await run('ip', ['netns', 'exec', this.#host(host), 'sysctl', '-qw', setting]);
  }

  /** The line of a machine carries so much each way, and keeps what waits for a quarter of a second. */
  async rate(host: 'a' | 'b', rate: string): Promise<void> {
    for (const device of ['out', 'lan']) {
      const tbf = ['tbf', 'rate', rate, 'burst', '16kb', 'latency', '250ms'];
      await run('tc', ['-n', this.#routerOf(host), 'qdisc', 'replace', 'dev', device, 'root', ...tbf]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#line?.[Symbol.asyncDispose]();
    for (const host of this.#hosts.splice(0)) await ip('netns', 'del', host).catch(() => undefined);
  }

  #host(name: string): string {
    return `${this.#name}-${name}`;
  }

  #routerOf(host: 'a' | 'b'): string {
    return this.#host(host === 'a' ? 'ra' : 'rb');
  }

  async #build({ carrier, versions = 'ipv4', weather }: NatOptions): Promise<void> {
    const names = [
      'core',
      'server',
      'ra',
      'rb',
      'a',
      'b',
      'c',
      'd',
      'v',
      ...(carrier === undefined ? [] : ['ca']),
    ];
    for (const name of names) {
      const host = this.#host(name);
      await ip('netns', 'add', host);
      this.#hosts.push(host);
      await ip('-n', host, 'link', 'set', 'lo', 'up');
    }
    await ip('-n', this.#host('core'), 'link', 'add', 'bridge', 'type', 'bridge');
    await ip('-n', this.#host('core'), 'link', 'set', 'bridge', 'up');
    await this.#plug('server', `${NatNetwork.server}/24`);
    await this.#plug('rb', '203.0.113.12/24', weather);
    await this.#plug('c', '203.0.113.13/24');
    await this.#plug('d', '203.0.113.14/24');
    // Multicast, as in any local network.
    for (const host of ['server', 'c'])
      await ip('-n', this.#host(host), 'route', 'add', '224.0.0.0/4', 'dev', 'out');
    if (carrier === undefined) await this.#plug('ra', '203.0.113.11/24');
    else await this.#throughCarrier(carrier);
    await this.#lan('ra', 'a', 'ipv4');
    await this.#lan('rb', 'b', versions);
  }

  /** The router of a stands behind one more, in the range for that. */
  async #throughCarrier(kind: RouterKind): Promise<void> {
    const [home, carrier] = [this.#host('ra'), this.#host('ca')];
    await this.#plug('ca', '203.0.113.11/24');
    await ip('link', 'add', 'out', 'netns', home, 'type', 'veth', 'peer', 'name', 'in', 'netns', carrier);
    await ip('-n', carrier, 'address', 'add', '100.64.0.1/10', 'dev', 'in');
    await ip('-n', home, 'address', 'add', '100.64.0.2/10', 'dev', 'out');
    await ip('-n', carrier, 'link', 'set', 'in', 'up');
    await ip('-n', home, 'link', 'set', 'out', 'up');
    await ip('-n', home, 'route', 'add', 'default', 'via', '100.64.0.1');
    await this.#forwards(carrier);
    await nft(carrier, rulesOf('out', kind));
  }

  /** A cable from a host to the network between the routers. */
  async #plug(name: string, address: string, weather?: Weather): Promise<void> {
    const [host, core, port] = [this.#host(name), this.#host('core'), `to-${name}`];
    if (weather === undefined)
      await ip('link', 'add', 'out', 'netns', host, 'type', 'veth', 'peer', 'name', port, 'netns', core);
    else this.#line = await Link.open({ host, name: 'out' }, { host: core, name: port }, weather);
    await ip('-n', core, 'link', 'set', port, 'master', 'bridge', 'up');
    await ip('-n', host, 'address', 'add', address, 'dev', 'out');
    await ip('-n', host, 'link', 'set', 'out', 'up');
  }

  async #lan(routerName: string, name: 'a' | 'b', versions: Versions): Promise<void> {
    const [router, host, net] = [this.#host(routerName), this.#host(name), netOf(name)];
    await ip('link', 'add', 'lan', 'netns', router, 'type', 'veth', 'peer', 'name', 'lan', 'netns', host);
    for (const each of [router, host]) await ip('-n', each, 'link', 'set', 'lan', 'up');
    await this.#forwards(router);
    if (versions === 'ipv6') {
      await this.#only6(router, host);
      return;
    }
    await ip('-n', router, 'address', 'add', `${net}.1/24`, 'dev', 'lan');
    await ip('-n', host, 'address', 'add', `${net}.2/24`, 'dev', 'lan');
    await ip('-n', host, 'route', 'add', 'default', 'via', `${net}.1`);
  }

  /** The machine has IPv6 alone; its router translates nothing. */
  async #only6(router: string, host: string): Promise<void> {
    const server = this.#host('server');
    const give = (at: string, address: string, device: string): Promise<void> =>
      ip('-n', at, '-6', 'address', 'add', address, 'dev', device, 'nodad');
    await give(server, `${NatNetwork.server6}/64`, 'out');
    await give(router, '2001:db8::12/64', 'out');
    await give(router, '2001:db8:2::1/64', 'lan');
    await give(host, '2001:db8:2::2/64', 'lan');
    await ip('-n', host, '-6', 'route', 'add', 'default', 'via', '2001:db8:2::1');
    await ip('-n', server, '-6', 'route', 'add', '2001:db8:2::/64', 'via', '2001:db8::12');
  }

  async #forwards(host: string): Promise<void> {
    const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
    await run('ip', ['netns', 'exec', host, 'sysctl', '-qw', ...settings]);
  }
}

function netOf(host: 'a' | 'b'): string {
  return host === 'a' ? '192.168.1' : '192.168.2';
}
