import { FilerError } from '@filer/protocol';
import type { KnownPeer } from '../store/directory-store.ts';
import type { Member } from './member.ts';

/**
 * A name belongs to the first id that this machine knew it of. Nothing goes to a peer whose name two ids claim,
 * and nothing is taken from it, until a person has decided.
 *
 * @throws FilerError `identity-changed`
 */
export function checkPin(member: Member, { id, name }: Pick<KnownPeer, 'id' | 'name'>): void {
  const pin = member.directory.pin(name);
  if (pin?.claimedBy !== undefined) throw changedIdentity(name, pin.id, pin.claimedBy);
  if (pin !== undefined && pin.id !== id) throw changedIdentity(name, pin.id, id);
}

/** What OpenSSH says of a changed host key: stop, say what it can mean, say what to type. */
export function changedIdentity(name: string, known: string, claimed: string): FilerError {
  return new FilerError(
    'identity-changed',
    `THE IDENTITY OF ${name} HAS CHANGED: this machine knows ${known}, now ${claimed} has the name. Either the machine was set up again, or another machine poses as it. Nothing is sent to it or taken from it. Ask its owner to read out \`filer-client status\`; if the new id is right: \`filer-client trust ${name}\``,
  );
}
