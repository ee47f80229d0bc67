/**
 * Where a server keeps what it stores.
 *
 *     sqlite                                          the embedded database of the home
 *     postgres://USER@HOST:PORT,HOST:PORT/DATABASE    PostgreSQL; of several hosts the one that takes writes
 *     postgres://USER@/DATABASE?host=/FOLDER          the same over the socket in a folder
 *
 * `?sslmode=disable|require|verify-full` and `?sslrootcert=FILE` mean what they mean to libpq. A host that is not this machine
 * is asked for TLS unless told otherwise.
 */
export interface PostgresAddress {
  readonly user: string;
  /** At least one. A host that begins with `/` is the folder of a socket. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly tls: 'disable' | 'require' | 'verify-full';
  /** File with the certificates that are trusted; undefined: those of the system. */
  readonly rootCertificates: string | undefined;
}

/** The embedded database. */
export const SQLITE = 'sqlite';

const DEFAULT_PORT = 5432;
const LOOPBACK = /^(localhost|127\.[0-9.]+|::1)$/;
const FORM = /^postgres(?:ql)?:\/\/(?:([^@/?#]*)@)?([^@/?#]*)\/([^/?#]+)(?:\?([^#]*))?$/;
const HOST = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]]+))?(?::([0-9]{1,5}))?$/;
const OPTIONS: ReadonlySet<string> = new Set(['host', 'sslmode', 'sslrootcert']);

/** @throws RangeError for what is no such address, and for one with a password: it would be in lists of processes */
export function parsePostgresAddress(text: string): PostgresAddress {
  const [, user = '', hosts = '', database = '', query = ''] = FORM.exec(text) ?? [];
  if (database === '' || user === '' || user.includes(':')) throw new RangeError('not such an address');
  const options = new URLSearchParams(query);
  for (const name of options.keys()) if (!OPTIONS.has(name)) throw new RangeError(`unknown option ${name}`);
  const named = [hosts === '' ? (options.get('host') ?? '') : hosts]
    .flatMap((all) => all.split(','))
    .map(hostOf);
  const isNear = named.every(({ host }) => host.startsWith('/') || LOOPBACK.test(host));
  return {
    user: decodeURIComponent(user),
    hosts: named,
    database: decodeURIComponent(database),
    tls: tlsOf(options.get('sslmode') ?? (isNear ? 'disable' : 'require')),
    rootCertificates: options.get('sslrootcert') ?? undefined,
  };
}

/** The setting: `sqlite`, or the address of a database as it was given. @throws RangeError */
export function parseStoreAddress(text: string): string {
  if (text !== SQLITE) parsePostgresAddress(text);
  return text;
}

function hostOf(text: string): { readonly host: string; readonly port: number } {
  if (text.startsWith('/')) return { host: text, port: DEFAULT_PORT };
  const [, bracketed, plain, port] = HOST.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = Number(port ?? DEFAULT_PORT);
  if (host === undefined || number < 1 || number > 65_535) throw new RangeError('not a host and port');
  return { host, port: number };
}

function tlsOf(mode: string): PostgresAddress['tls'] {
  if (mode === 'disable' || mode === 'require' || mode === 'verify-full') return mode;
  throw new RangeError('sslmode is disable, require or verify-full');
}
