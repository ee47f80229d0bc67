import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { dialOver, formatAddress, parseAddress } from '@filer/protocol';
import type { Path } from '../../apps/filer-client/src/network/paths/path.ts';

/** A path for machines with one file system: Unix sockets in the folder of each one's home. */
export const unixPath: Path = {
  kind: 'unix',
  candidates: (addresses) => addresses.filter((address) => parseAddress(address).scheme === 'unix'),
  dial: (address, ends, signal) =>
    dialOver(connect(parseAddress(address).rest), { ...ends, where: address }, { signal }),
  listen: async ({ controlSocket }, accept) => {
    const socket = join(dirname(controlSocket), 'peers.sock');
    const server = createServer((stream) => accept(stream, 'unix'));
    await once(server.listen(socket), 'listening');
    return {
      addresses: [formatAddress({ scheme: 'unix', rest: socket })],
      close: async () => void (await once(server.close(), 'close')),
    };
  },
};
