import type { Membership } from '@filer/protocol';
import type { Member } from './registry.ts';

/**
 * Whether a machine is a member by this very enrolment: the answer to its first try may have been lost. One whose membership was
 * changed since is not.
 */
export function isRepeated(
  { status, membership }: Member,
  { name, invite }: Pick<Membership, 'name' | 'invite'>,
): boolean {
  const isSame = membership.invite === invite && membership.name === name;
  return status === 'member' && membership.proof.kind === 'admitted' && isSame;
}
