/*
 * How an ip-server is found on a local network: DNS-SD (RFC 6763) over multicast DNS (RFC 6762), as `_filer._tcp`.
 *
 *   PTR  _filer._tcp.local            NAME._filer._tcp.local
 *   SRV  NAME._filer._tcp.local       port, HOST.local
 *   TXT  NAME._filer._tcp.local       id=ID
 *   A, AAAA  HOST.local               addresses
 *
 * All of it is what some machine of that network says. Only an invite proves a server, and its TLS key its id.
 */
import type { Options } from 'multicast-dns';

export const SERVICE = '_filer._tcp.local';

/** Other groups, ports and interfaces, for tests. */
export type MulticastOptions = Options;

/** A label of a name, in bytes (RFC 1035, section 2.3.4). */
export const MAX_LABEL_BYTES = 63;
