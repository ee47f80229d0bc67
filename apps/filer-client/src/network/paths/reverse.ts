import { parseHostPort } from '@filer/protocol';
import { direct } from './direct.ts';
import type { Path } from './path.ts';

/** Its name. */
export const REVERSE_PATH = 'reverse';

/**
 * Dials back a peer that asked for it, only at the address from which the request came and that the peer has published, so
 * that a peer cannot use this machine as a port scanner.
 *
 * @param host the address from which the request came; undefined where the connection has none
 */
export function reverseTo(host: string | undefined): Path {
  const from = host?.replace(/^::ffff:(?=[0-9.]+$)/, '');
  return {
    kind: REVERSE_PATH,
    candidates: (addresses, surroundings) =>
      direct.candidates(addresses, surroundings).filter((address) => parseHostPort(address).host === from),
    dial: direct.dial,
  };
}
