import type { KnownPeer } from '../../store/directory-store.ts';
import type { Outreach } from '../outreach.ts';
import { PATHS, type Ways } from '../paths.ts';
import type { Path } from './path.ts';
import { punched } from './punched.ts';
import { relayed, type DialMember } from './relayed.ts';

/** The paths to one peer, best first. */
export function pathsTo(
  outreach: Outreach,
  peer: KnownPeer,
  dialMember: DialMember,
  ways: Ways = 'any',
): Path[] {
  return [
    ...(ways === 'relay' ? [] : [...PATHS, punched(outreach, peer)]),
    ...(ways === 'direct' ? [] : [relayed(outreach, peer, dialMember)]),
  ];
}

/** Those on which the server brings the two together, without any other machine. */
export function pathsByServer(outreach: Outreach, peer: KnownPeer, ways: Ways = 'any'): Path[] {
  return [
    ...(ways === 'relay' ? [] : [punched(outreach, peer)]),
    ...(ways === 'direct' ? [] : [relayed(outreach, peer, undefined)]),
  ];
}
