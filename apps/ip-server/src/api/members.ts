import { FilerError, isPeerId, nearNames } from '@filer/protocol';
import type { Member } from '../store/registry.ts';
import type { AdminApi } from './admin-api.ts';

/**
 * A member by name or id; one that has left still counts, so that it can be removed.
 *
 * @throws FilerError `no-such-peer` with near names
 */
export function findMember({ directory }: AdminApi, peer: string): Member {
  const found = isPeerId(peer) ? directory.get(peer) : directory.byName(peer);
  if (found !== undefined && found.status !== 'removed') return found;
  const names = directory
    .all()
    .flatMap(({ status, membership }) => (status === 'removed' ? [] : [membership.name]));
  const near = nearNames(peer, names);
  const hint =
    near.length > 0 ? `did you mean ${near.join(' or ')}?` : '"ip-server peers" shows who there is';
  throw new FilerError('no-such-peer', `there is no member ${JSON.stringify(peer)}, ${hint}`);
}
