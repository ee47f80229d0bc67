/** Every number of the toolkit, with its unit and its reason. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Largest payload of one UDP datagram over IPv4, in bytes: 65,535 less the IP and UDP headers (RFC 768, 791). */
export const MAX_DATAGRAM_BYTES = 65_507;

/** Datagrams that wait for a reader; later ones are dropped, as the kernel does with those it has no room for. */
export const MAX_UNREAD_DATAGRAMS = 1_024;

/** Longest line that a line reader takes, in bytes without its end. */
export const MAX_LINE_BYTES = 64 * KiB;

/** What "read to the end" takes unless told otherwise, in bytes: it is in memory whole. */
export const MAX_READ_TO_END_BYTES = 16 * MiB;

/** Read ahead of a stream's reader before its socket is paused, in bytes: one read of the operating system. */
export const READ_AHEAD_BYTES = 64 * KiB;

/** Connections or datagrams that wait for a service with no free place; beyond, they are refused. */
export const MAX_WAITING_REQUESTS = 128;

/** A stream that closes waits this long for the other side to take what is still to be written. */
export const STREAM_CLOSE_MS = 2_000;

/** A service that closes lets its running handlers end by themselves for this long. */
export const SERVICE_CLOSE_MS = 2_000;
