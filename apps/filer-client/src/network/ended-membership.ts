import { FilerError } from '@filer/protocol';

export function leftError(id: string): FilerError {
  return new FilerError('not-a-member', `${id} has left the network`);
}

export function removedError(id: string): FilerError {
  return new FilerError('removed', `${id} was removed from the network`);
}
