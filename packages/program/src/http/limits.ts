/** Every number of what is served over HTTP, with its unit and its reason. */

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * Connections. Of one address: ten browsers with six each; this machine and a stated proxy are bounded with all others alone. In all:
 * a small part of what the network port may have. One more takes the place of an idle one, of the address that has most.
 */
export const HTTP_CONNECTIONS = { perHolder: 64, inAll: 512 } as const;

/** The part of the descriptors of a process that they may have where these are few. */
export const HTTP_SHARE_OF_CONNECTIONS = 0.1;

/** The headers of a request, in bytes, and how many: a page's params are in them, too. */
export const MAX_HTTP_HEADER_BYTES = 16 * KiB;
export const MAX_HTTP_HEADERS = 100;

/** From the connection, or the last answer, to the end of the headers, and of a TLS handshake, in ms. */
export const HTTP_HEADERS_MS = 10_000;

/** A JSON body, in bytes: a text of 16 KiB with each character escaped, or the paths of a collect. In ms: on a slow link. */
export const MAX_HTTP_BODY_BYTES = 256 * KiB;
export const HTTP_BODY_MS = 10_000;

/** A connection without a request is kept for the next one, in ms; browsers ask again within seconds. */
export const HTTP_KEEP_ALIVE_MS = 30_000;

/** A connection on which nothing moves, in ms: longer than the default time of an alarm program. */
export const HTTP_SILENT_MS = 120_000;

/** Requests of one token; of one address with wrong tokens, and at each route without one. A page with all of its files and documents takes 20. */
export const HTTP_REQUESTS = { atOnce: 500, perSecond: 100 } as const;

/** Calls of one token that are in work: what a page with several panels asks at once; and of all tokens. */
export const HTTP_CALLS = { perHolder: 16, inAll: 64 } as const;

/** Calls of one token that change something. */
export const HTTP_CHANGES = { atOnce: 100, perSecond: 2 } as const;

/** Answers that wait for slow readers, in bytes: the list of 5,000 machines has some MiB. */
export const HTTP_ANSWER_BYTES = { perHolder: 32 * MiB, inAll: 128 * MiB } as const;

/** Streams of events: one browser has one for all of its tabs; a token may be used by several. */
export const HTTP_STREAMS = { perHolder: 16, inAll: 128 } as const;

/** Between two deltas of a stream, in ms: people read no faster. */
export const STREAM_DELTA_MS = 1_000;

/** A comment keeps proxies from closing a quiet stream, in ms; nginx closes after 60 s. */
export const STREAM_HEARTBEAT_MS = 15_000;

/** A browser that has opened a link whose token has no end stays in for so long, in ms. */
export const SESSION_MS = 7 * 24 * 3_600_000;

/** Going down waits so long for answers that are on their way, in ms. */
export const HTTP_CLOSE_MS = 2_000;
