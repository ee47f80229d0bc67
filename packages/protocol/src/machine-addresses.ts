import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { formatHostPort, isDialable, isLoopback, isPrivate } from './addresses.ts';

/** One address of an interface of this machine. */
export interface InterfaceAddress {
  readonly host: string;
  readonly interface: string;
  /** Whether the way out of the machine's own networks begins there. */
  readonly isDefaultRoute: boolean;
  /** Whether only guests and containers of this machine are behind it. */
  readonly isInternalBridge: boolean;
  /** Whether it is an IPv6 address that is changed every day (RFC 8981). */
  readonly isTemporary: boolean;
}

/** Where the kernel of Linux says what its interfaces are. */
export interface SystemFolders {
  readonly sys: string;
  readonly proc: string;
}

const SYSTEM: SystemFolders = { sys: '/sys/class/net', proc: '/proc/net' };

/**
 * Names of interfaces that container engines and hypervisors make, for systems and namespaces that do not say what an interface
 * is.
 */
const INTERNAL_NAME =
  /^(?:docker|br-|virbr|veth|lxc|lxd|incus|cni|flannel|cali|podman|nerdctl|vmnet|vboxnet|vmenet|bridge|vEthernet|VirtualBox|VMware)/;

const IFA_F_TEMPORARY = 0x01;
const RTF_UP = 0x0001;

/**
 * The addresses of this machine's interfaces at a port, best first: those of the interface with the default route, of other
 * interfaces (wired, wireless, VPN), of bridges to its own guests. No loopback, no link-local.
 */
export function machineAddresses(port: number): string[] {
  return inOrder(interfaceAddresses()).map((host) => formatHostPort({ host, port }));
}

/**
 * Puts addresses into the order in which others should try them. Each interface has its turn with its first address of
 * each kind before any has one with its second: an interface with many addresses hides no other one.
 */
export function inOrder(addresses: readonly InterfaceAddress[]): string[] {
  const hasLasting = (each: InterfaceAddress): boolean =>
    addresses.some(
      (other) => other.interface === each.interface && !other.isTemporary && !isIPv4(other.host),
    );
  const turns = new Map<string, number>();
  const ranked = addresses
    .filter(({ host }) => isDialable(host) && !isLoopback(host))
    .filter((each) => !each.isTemporary || !hasLasting(each))
    .toSorted((a, b) => reach(a.host) - reach(b.host))
    .map((each) => {
      const key = `${each.interface} ${isIPv4(each.host)}`;
      const turn = turns.get(key) ?? 0;
      turns.set(key, turn + 1);
      return {
        ...each,
        rank: [Number(each.isInternalBridge), turn, Number(!each.isDefaultRoute), reach(each.host)],
      };
    });
  return [...new Set(ranked.toSorted((a, b) => compare(a.rank, b.rank)).map(({ host }) => host))];
}

/** What the system says of its addresses. */
export function interfaceAddresses(
  interfaces = networkInterfaces(),
  { sys, proc }: SystemFolders = SYSTEM,
): InterfaceAddress[] {
  const defaults = defaultRoutes(proc);
  const temporary = temporaryAddresses(proc);
  return Object.entries(interfaces).flatMap(([name, addresses = []]) => {
    const isDefaultRoute = defaults.has(name);
    const isInternalBridge = !isDefaultRoute && isInternal(name, sys);
    return addresses
      .filter(({ internal }) => !internal)
      .map(({ address: host }) => ({
        host,
        interface: name,
        isDefaultRoute,
        isInternalBridge,
        isTemporary: temporary.has(`${host} ${name}`),
      }));
  });
}

function isInternal(name: string, sys: string): boolean {
  if (!existsSync(`${sys}/${name}/bridge`)) return INTERNAL_NAME.test(name);
  // A bridge with a wired port is the way of this machine, too, to the network behind that.
  return !listed(`${sys}/${name}/brif`).some((port) =>
    listed(`${sys}/${port}`).some((entry) => entry === 'device' || entry.startsWith('lower_')),
  );
}

/** Interfaces with a default route, of either family. */
function defaultRoutes(proc: string): ReadonlySet<string> {
  const four = linesOf(`${proc}/route`).flatMap(([name = '', to, , flags = '', , , , mask]) =>
    to === '00000000' && mask === '00000000' && (Number.parseInt(flags, 16) & RTF_UP) !== 0 ? [name] : [],
  );
  const six = linesOf(`${proc}/ipv6_route`).flatMap((fields) =>
    /^0+$/.test(fields[0] ?? '') && fields[1] === '00' ? [fields[9] ?? ''] : [],
  );
  return new Set([...four, ...six].filter((name) => name !== 'lo'));
}

/** `address interface` of each temporary address. */
function temporaryAddresses(proc: string): ReadonlySet<string> {
  return new Set(
    linesOf(`${proc}/if_inet6`).flatMap(([hex = '', , , , flags = '', name = '']) => {
      if ((Number.parseInt(flags, 16) & IFA_F_TEMPORARY) === 0) return [];
      const host = new URL(`http://[${hex.match(/.{4}/g)?.join(':') ?? ''}]`).hostname.slice(1, -1);
      return [`${host} ${name}`];
    }),
  );
}

/** Fields of each line; none where there is no such file. */
function linesOf(file: string): string[][] {
  try {
    const lines = readFileSync(file, 'latin1').split('\n');
    return lines.map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** How far an address reaches: public ones before private ones, IPv4 before IPv6. */
function reach(host: string): number {
  return 2 * Number(isPrivate(host)) + Number(!isIPv4(host));
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
