const GROUPS = 8;
const BLOCK_GROUPS = 4;

/** What counts as one address: an IPv4 address, or an IPv6 /64, all of which any one machine in it can use (RFC 4291, 2.5.4). */
export function addressBlockOf(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: GROUPS - first.length - last.length }, () => '0');
  return [...first, ...zeros, ...last].slice(0, BLOCK_GROUPS).join(':');
}
