import { FilerError } from '@filer/protocol';

export function removedError(id: string): FilerError {
  return new FilerError('removed', `${id} was removed from the network`);
}
