import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { systemCode } from '@filer/protocol';
import { ok, skipped, warning, type Check } from '@filer/program';

/** `ss` of iproute2 reads what the kernel knows of this user's connections; it needs no root. */
const SS = 'ss';
const SS_MS = 2_000;

/** The smallest that IPv6 allows (RFC 8200, section 5). */
const LEAST_MTU = 1_280;

/** A connection that sends again more often than this loses what it sends, in parts of all segments. */
const MANY_LOST = 0.02;

/**
 * What the kernel has learned about the largest packets on the way of a connection, and about what was lost.
 *
 * @param via who passes the bytes on, where that is a third machine: what is behind it, the kernel of this one does not see
 */
export async function checkPathMtu({ localPort, remotePort }: Socket, via?: string): Promise<Check> {
  if (localPort === undefined || remotePort === undefined)
    return skipped('path-mtu', 'this connection has no packets of its own');
  try {
    const filter = `( sport = :${localPort} and dport = :${remotePort} )`;
    const { stdout } = await promisify(execFile)(SS, ['-tinH', filter], {
      timeout: SS_MS,
      maxBuffer: 65_536,
    });
    return judge(stdout, via);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why =
      systemCode(error) === 'ENOENT' ? 'the program `ss` (iproute2) is not here' : '`ss` has failed';
    return skipped('path-mtu', `not known: ${why}`);
  }
}

/** @param text what `ss -ti` prints of one connection @param via as above */
export function judge(text: string, via?: string): Check {
  const numberOf = (name: string): number | undefined => {
    const [, digits] = new RegExp(`(?:^|\\s)${name}:(\\d+)`).exec(text) ?? [];
    return digits === undefined ? undefined : Number(digits);
  };
  const mtu = numberOf('pmtu');
  if (mtu === undefined) return skipped('path-mtu', 'not known: the system does not say');
  const segments = numberOf('segs_out') ?? 0;
  const [, again = '0'] = /\sretrans:\d+\/(\d+)/.exec(text) ?? [];
  const lost = segments === 0 ? 0 : Number(again) / segments;
  const facts = { mtuBytes: mtu, segments, sentAgain: Number(again), toRelay: via !== undefined };
  const lossWords = again === '0' ? '' : `, ${(lost * 100).toFixed(1)} % sent again`;
  const reach = via === undefined ? '' : `; ${via}, and only the way up to there is looked at`;
  const words = `packets of up to ${mtu} bytes are sent${lossWords}${reach}`;
  if (mtu < LEAST_MTU)
    return warning('path-mtu', `${words}: very small`, 'look at VPNs and tunnels in between', facts);
  if (lost > MANY_LOST)
    return warning(
      'path-mtu',
      `${words}: the link loses packets`,
      'look at cables, radio and duplex on the way: `mtr HOST`',
      facts,
    );
  return ok('path-mtu', words, facts);
}
