import { formatHostPort, type HostPort } from '@filer/protocol';

/** Addresses with one that is to be tried before the others. */
export function withFirst(address: HostPort, known: readonly HostPort[]): readonly HostPort[] {
  const named = formatHostPort(address);
  return [address, ...known.filter((each) => formatHostPort(each) !== named)];
}
