import { isIP, isIPv4 } from 'node:net';
import {
  FilerError,
  formatHostPort,
  interfaceAddresses,
  isHandshakeUnanswered,
  isLoopback,
  parseHostPort,
  probedMessage,
  probeMessage,
  reachedMessage,
  reachMessage,
  tcpAddressesOf,
  DIAL_BACK_MS,
  within,
  type ErrorCode,
  type HostPort,
  type Session,
} from '@filer/protocol';
import {
  failed,
  failedBy,
  formatDuration,
  ok,
  skipped,
  warning,
  type Check,
  type Facts,
} from '@filer/program';
import type { Member } from '../network/member.ts';
import type { ServerAccess } from '../network/server-access.ts';
import type { ServerSession } from '../network/server-dial.ts';
import { MTU_REMEDY } from './way-checks.ts';

/** Of questions for a round trip; the shortest counts. */
const PROBES = 3;
const PROBE_MS = 5_000;

/** So long the server may take to answer at all, in ms: each of its addresses has 5 s. */
const SERVER_MS = 20_000;

/** Clocks that are further apart make times in lists and reports misleading. */
const CLOCK_WARNING_MS = 5_000;
const CLOCK_FAILURE_MS = 60_000;

/** What a question about the way there and its clock has brought. */
export interface Probed {
  /** Undefined of one that knows no probes. */
  readonly aheadMs: number | undefined;
  readonly roundTripMs: number;
  readonly observed: string | undefined;
}

/** @throws FilerError `timed-out`, `connection-closed`, the reason of `signal` */
export async function probe(session: Session, signal: AbortSignal): Promise<Probed> {
  let best: Probed | undefined;
  for (let n = 0; n < PROBES; n++) {
    const began = performance.now();
    const beganAt = Date.now();
    let answer: { readonly time: number; readonly observed?: string } | undefined;
    try {
      answer = probedMessage.parse(
        await session.ask(probeMessage.format({}), { timeoutMs: PROBE_MS, signal }),
      );
    } catch (error) {
      // An older version: its refusal took the same way.
      if (!(error instanceof FilerError) || error.code !== 'unsupported') throw error;
    }
    const roundTripMs = performance.now() - began;
    if (best !== undefined && best.roundTripMs <= roundTripMs) continue;
    const aheadMs = answer && Math.round(answer.time - (beganAt + roundTripMs / 2));
    best = { aheadMs, roundTripMs, observed: answer?.observed };
  }
  if (best === undefined) throw new Error('at least one probe is sent');
  return best;
}

/** What to do when there is no session, by its reason. @param address at which the server is looked for */
function serverRemedy(code: ErrorCode, address: HostPort | undefined): string {
  const where = address === undefined ? '' : `from here: \`nc -vz ${address.host} ${address.port}\`; `;
  const remedies: Partial<Record<ErrorCode, string>> = {
    'server-unreachable': `on the server: \`ip-server doctor\`; ${where}if it moved: \`filer-client server HOST:PORT\``,
    'identity-mismatch':
      'another program or server answers there: if the server moved, `filer-client server HOST:PORT`; if it was set up again, `filer-client join -` with a new invite',
    removed: '`filer-client join - --new-identity` with a new invite',
    'not-a-member': '`filer-client join -` with a new invite',
    'duplicate-identity': 'on one of the two machines: `filer-client join - --new-identity`',
  };
  return remedies[code] ?? 'on the server: `ip-server doctor`';
}

/** Whether the ip-server answers with its pinned id. */
export async function checkServer(
  member: Member,
  access: ServerAccess,
  signal: AbortSignal,
): Promise<{ readonly check: Check; readonly server?: ServerSession; readonly probed?: Probed }> {
  try {
    const late = new FilerError('timed-out', `the ip-server did not answer within ${SERVER_MS / 1_000} s`);
    const { server, probed } = await within(SERVER_MS, late, signal, async (stop) => {
      const server = await access.session(stop);
      return { server, probed: await probe(server.session, stop) };
    });
    const address = formatHostPort(server.address);
    const facts: Facts = {
      address,
      id: server.server,
      roundTripMs: rounded(probed.roundTripMs),
      version: server.welcome.software,
    };
    const id = `${server.server.slice(0, 12)}…`;
    const words = `${address} answers in ${inMs(probed.roundTripMs)} with the pinned id ${id}, version ${server.welcome.software}`;
    return { check: ok('server', words, facts), server, probed };
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof FilerError ? error.code : 'internal';
    const remedy = isHandshakeUnanswered(error)
      ? `on the server: \`ip-server doctor\`; if it is well, ${MTU_REMEDY}`
      : serverRemedy(code, member.server.addresses[0]);
    const failure = failedBy('server', error, remedy);
    const addresses = member.server.addresses.map(formatHostPort).join(', ');
    return { check: { ...failure, facts: { ...failure.facts, address: addresses, id: member.server.id } } };
  }
}

/** @param whose clock it is compared with, for people */
export function checkClock(aheadMs: number | undefined, whose: string): Check {
  if (aheadMs === undefined)
    return skipped('clock', `${whose} is an older version and does not tell its time`);
  const facts = { offsetMs: -aheadMs };
  const off = Math.abs(aheadMs);
  const words =
    off < 1_000
      ? `within a second of ${whose}`
      : `${formatDuration(off)} ${aheadMs > 0 ? 'behind' : 'ahead of'} the clock of ${whose}`;
  const remedy = 'set the clock of the one that is wrong: `sudo timedatectl set-ntp true`';
  if (off > CLOCK_FAILURE_MS) return failed('clock', words, remedy, facts);
  return off > CLOCK_WARNING_MS ? warning('clock', words, remedy, facts) : ok('clock', words, facts);
}

/** Where the server says that it sees this machine, and this end of the connection as it is here. */
export interface Seen {
  readonly observed: string | undefined;
  readonly localHost: string | undefined;
  readonly localPort: number | undefined;
}

/** What stands between this machine and the server, as far as addresses tell. */
export function checkNat({ observed, localHost, localPort }: Seen, own = ownHosts()): Check {
  const local = plain(localHost ?? '');
  const seen = observed === undefined ? undefined : seenAt(observed);
  if (seen === undefined || local === '')
    return skipped('nat', 'the ip-server does not say at which address it sees this machine');
  const facts = { observed: seen.host, own: local, observedPort: seen.port, ownPort: localPort ?? null };
  if (isLoopback(seen.host))
    return skipped(
      'nat',
      'the ip-server is reached over loopback: it sees no address of this machine',
      facts,
    );
  if (seen.host === local || own.includes(seen.host))
    return ok('nat', `none: the ip-server sees this machine at its own address ${seen.host}`, {
      ...facts,
      kind: 'none',
    });
  const kind = isCarrierGrade(local)
    ? 'carrier-grade'
    : seen.port === localPort
      ? 'port-preserving'
      : 'port-changing';
  const words = {
    'carrier-grade':
      'this machine has an address of a translation of the provider (CGNAT), through which no port can be forwarded',
    'port-preserving': 'an address translation, which kept the port of this connection',
    'port-changing': 'an address translation, which changed the port of this connection',
  }[kind];
  return ok('nat', `${words}: the ip-server sees ${local} as ${seen.host}`, { ...facts, kind });
}

/** Whether connections from outside reach this machine: the server tries it. */
export async function checkReachable(
  member: Member,
  { session, welcome }: ServerSession,
  listen: string,
  signal: AbortSignal,
): Promise<Check> {
  const published = tcpAddressesOf(member.directory.byId(member.id)?.record?.addresses ?? []);
  const seen = welcome.observed === undefined ? undefined : seenAt(welcome.observed);
  const listenPort = parseHostPort(listen).port;
  const port =
    published.find(({ host }) => host === seen?.host)?.port ??
    published.find((each) => each.port === listenPort)?.port ??
    published[0]?.port;
  if (port === undefined)
    return failed(
      'reachable',
      'this machine has published no address: others cannot open connections to it',
      'name one with `filer-client start --advertise HOST:PORT`',
    );
  try {
    const asked = session.ask(reachMessage.format({ port }), { timeoutMs: 3 * DIAL_BACK_MS, signal });
    const { reached, address } = reachedMessage.parse(await asked);
    const dialled = seen ?? seenAt(address);
    const facts = {
      address: dialled === undefined ? null : formatHostPort({ host: dialled.host, port }),
      reached,
    };
    return reached
      ? reachedCheck(
          facts,
          published.map(({ host }) => host),
          seen?.host,
        )
      : closedCheck(facts, port, seen?.host);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FilerError)) throw error;
    if (error.code === 'unsupported')
      return skipped('reachable', 'the ip-server is an older version and cannot try it');
    if (error.code === 'rate-limited' || error.code === 'refused') return skipped('reachable', error.message);
    return failedBy('reachable', error, 'try again: `filer-client doctor`');
  }
}

function reachedCheck(facts: Facts, hosts: readonly string[], seenHost: string | undefined): Check {
  const words = `the ip-server can open connections to ${dialledWords(facts)}`;
  if (seenHost === undefined || hosts.includes(seenHost) || isLoopback(seenHost))
    return ok('reachable', words, facts);
  return warning(
    'reachable',
    `${words}, which this machine has not published: others do not know it`,
    `filer-client start --advertise ${String(facts['address'])}`,
    facts,
  );
}

/** @param facts whose address is null where the server names none */
function dialledWords({ address }: Facts): string {
  return typeof address === 'string' ? address : 'this machine';
}

function closedCheck(facts: Facts, port: number, seenHost: string | undefined): Check {
  const isTranslated = seenHost !== undefined && !isLoopback(seenHost) && !ownHosts().includes(seenHost);
  // Others reach it all the same where the server helps: punched, or relayed.
  return warning(
    'reachable',
    `the ip-server cannot open a connection to ${dialledWords(facts)}: others reach this machine only with its help, which may be slower`,
    isTranslated
      ? `forward port ${port} (TCP) of the router to this machine, and start with \`--advertise ${String(facts['address'])}\``
      : `open port ${port} (TCP) in the firewall of this machine: \`sudo ufw allow ${port}/tcp\``,
    facts,
  );
}

/** Where a server says that it sees this machine: another machine's words. */
function seenAt(observed: string): { readonly host: string; readonly port: number } | undefined {
  const [seen] = tcpAddressesOf([observed], (host) => isIP(host) !== 0);
  return seen;
}

function ownHosts(): string[] {
  return interfaceAddresses().map(({ host }) => host);
}

function isCarrierGrade(host: string): boolean {
  const [a = 0, b = 0] = isIPv4(host) ? host.split('.').map(Number) : [];
  return a === 100 && b >= 64 && b < 128;
}

function plain(host: string): string {
  return host.replace(/^::ffff:(?=[0-9.]+$)/, '');
}

export function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

export function inMs(ms: number): string {
  return `${ms < 10 ? rounded(ms) : Math.round(ms)} ms`;
}
