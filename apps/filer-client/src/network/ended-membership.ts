import { FilerError } from '@filer/protocol';

export function leftError(id: string): FilerError {
  return new FilerError('not-a-member', `${id} has left the network`);
}

export function removedError(id: string): FilerError {
  return new FilerError('removed', `${id} was removed from the network`);
}

/** What a machine is told that is no member any longer itself. */
export function ownEnd(how: 'removed' | 'left', name: string): FilerError {
  return how === 'removed'
    ? new FilerError(
        'removed',
        `this machine (${name}) was removed from the network: to join again it needs a new invite, \`filer-client join - --new-identity\``,
      )
    : new FilerError(
        'not-a-member',
        `this machine (${name}) has left the network: to join again it needs a new invite, \`filer-client join -\` (with \`--new-identity\` if it was removed)`,
      );
}
