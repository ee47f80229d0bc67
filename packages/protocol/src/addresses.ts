import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import { FilerError } from './errors.ts';
import { MAX_ADDRESS_LENGTH } from './limits.ts';

/** Where to listen or connect: an IP literal (IPv6 without brackets) or a DNS name, and a port. */
export interface HostPort {
  readonly host: string;
  /** 0 to 65535; 0 makes sense for listening only. */
  readonly port: number;
}

const LABEL = '[a-zA-Z0-9_](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?';
const DNS_NAME = new RegExp(String.raw`^(?=.{1,253}$)(?:${LABEL}\.)*${LABEL}$`);
// `127.1` and `0x7f.1` are no literals, but the system's resolver would read them as addresses.
const NUMERIC_END = /(?:^|\.)(?:[0-9]+|0[xX][0-9a-fA-F]*)$/;

const loopback4 = listOf('ipv4', [['127.0.0.0', 8]]);
const never4 = listOf('ipv4', [
  ['0.0.0.0', 8], // unspecified, "this network" (RFC 1122)
  ['169.254.0.0', 16], // link-local: cloud metadata lives here (RFC 3927)
  ['224.0.0.0', 4], // multicast (RFC 5771)
  ['240.0.0.0', 4], // reserved, with the broadcast address (RFC 1112)
]);
// Both families in one BlockList would make every IPv4 address match the mapped range.
const never6 = listOf('ipv6', [
  ['::', 128], // unspecified
  ['::ffff:0:0', 96], // an IPv4 address in disguise: mapped,
  ['64:ff9b::', 96], // translated (RFC 6052),
  ['64:ff9b:1::', 48], // translated within a site (RFC 8215),
  ['2002::', 16], // 6to4 (RFC 3056)
  ['fe80::', 10], // link-local
  ['fec0::', 10], // site-local, gone since RFC 3879
  ['ff00::', 8], // multicast
]);
const compatible6 = listOf('ipv6', [['::', 96]]); // IPv4-compatible, gone since RFC 4291; holds ::1 too
const mapped6 = listOf('ipv6', [['::ffff:127.0.0.0', 104]]);
const self6 = listOf('ipv6', [['::1', 128]]);

function listOf(family: 'ipv4' | 'ipv6', ranges: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of ranges) list.addSubnet(net, prefix, family);
  return list;
}

/**
 * Reads `192.0.2.7:10901`, `[2001:db8::1]:10901` or `host.example:10901`.
 *
 * @throws FilerError `usage`, with a right one shown
 */
export function parseHostPort(text: string): HostPort {
  const address = hostPortOf(text);
  if (address !== undefined) return address;
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  throw new FilerError(
    'usage',
    `${shown} is not HOST:PORT; write it like 192.0.2.7:10901, [2001:db8::1]:10901 or server.example:10901`,
  );
}

function hostPortOf(text: string): HostPort | undefined {
  const [, bracketed, bare, digits] =
    /^(?:\[([0-9a-fA-F:.]{2,45})\]|([^[\]:]{1,253})):(0|[1-9][0-9]{0,4})$/.exec(text) ?? [];
  const host = bracketed ?? bare;
  const port = Number(digits);
  const wellFormed = bracketed === undefined ? host !== undefined && isHost(host) : isIPv6(bracketed);
  return host === undefined || !wellFormed || port > 65_535 ? undefined : { host, port };
}

function isHost(host: string): boolean {
  return isIPv4(host) || (DNS_NAME.test(host) && !NUMERIC_END.test(host));
}

/** What `parseHostPort` reads: an IPv6 literal in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** An address of a signed document: `host:port`, which is TCP, or `SCHEME://` and what that scheme makes of the rest. */
export interface Address {
  /** In lower case. */
  readonly scheme: string;
  /** Without the scheme: of TCP `host:port`. */
  readonly rest: string;
}

/** The scheme that is not written. */
export const TCP = 'tcp';

// Printable ASCII. Signed texts join addresses with a comma, so that none may hold one.
const ADDRESS_TEXT = /^[\x21-\x2b\x2d-\x7e]+$/;
const WITH_SCHEME = /^([a-z][a-z0-9+.-]{0,31}):\/\/(.*)$/i;

/** Whether a document can hold this text as an address, of whatever scheme. Whether it can be dialled, a path to it says. */
export function isAddressText(text: string): boolean {
  return text.length <= MAX_ADDRESS_LENGTH && ADDRESS_TEXT.test(text);
}

export function parseAddress(text: string): Address {
  const [, scheme = TCP, rest = text] = WITH_SCHEME.exec(text) ?? [];
  return { scheme: scheme.toLowerCase(), rest };
}

/** What `parseAddress` reads; TCP without its scheme. */
export function formatAddress({ scheme, rest }: Address): string {
  return scheme === TCP ? rest : `${scheme}://${rest}`;
}

/**
 * The TCP addresses of a document, in order. Those of other schemes, and what cannot be dialled, are left out: a newer
 * version may have signed them.
 *
 * @param accept tells which hosts may be dialled @default names and literals
 */
export function tcpAddressesOf(
  addresses: readonly string[],
  accept: (host: string) => boolean = () => true,
): HostPort[] {
  return addresses.flatMap((text) => {
    const { scheme, rest } = parseAddress(text);
    const address = scheme === TCP ? hostPortOf(rest) : undefined;
    return address !== undefined && address.port > 0 && accept(address.host) ? [address] : [];
  });
}

/** Whether a machine may publish an address: of TCP a literal that others may dial, of other schemes what their path says. */
export function isPublishable(address: string): boolean {
  return parseAddress(address).scheme !== TCP || tcpAddressesOf([address], isDialable).length > 0;
}

/** Whether a literal is this machine itself, also as a mapped address (as sockets for both families say it). */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return loopback4.check(host, 'ipv4');
  return isPlainIPv6(host) && (self6.check(host, 'ipv6') || mapped6.check(host, 'ipv6'));
}

/**
 * Whether an address that another machine named may be dialled: a literal, and never link-local, multicast,
 * unspecified, broadcast, or an IPv4 address inside an IPv6 one. Loopback passes: only the caller knows
 * whether both sides are on one machine (see `isLoopback`).
 */
export function isDialable(host: string): boolean {
  if (isIPv4(host)) return !never4.check(host, 'ipv4');
  if (!isPlainIPv6(host) || never6.check(host, 'ipv6')) return false;
  return !compatible6.check(host, 'ipv6') || self6.check(host, 'ipv6');
}

/** An IPv6 literal without a zone (`%eth0`), which means something on one machine only. */
function isPlainIPv6(host: string): boolean {
  return isIP(host) === 6 && !host.includes('%');
}

const private4 = listOf('ipv4', [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10], // carrier-grade NAT, and what overlay networks use (RFC 6598)
]);
const private6 = listOf('ipv6', [['fc00::', 7]]);

/** Whether a literal means something within one site or overlay only. */
export function isPrivate(host: string): boolean {
  return isIPv4(host) ? private4.check(host, 'ipv4') : private6.check(host, 'ipv6');
}
