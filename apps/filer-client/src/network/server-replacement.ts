import {
  dial,
  FilerError,
  sayHello,
  unauthenticatedMessenger,
  verifyServerRecord,
  type Hello,
  type HostPort,
} from '@filer/protocol';
import type { KnownServer } from '../store/membership-file.ts';
import { knownSerial, listsServer } from './known-servers.ts';
import type { Member } from './member.ts';

/**
 * Asks the machine that answers at an address, with another id than the pinned one, whether the network has put it there:
 * a record signed by the network key, for the very key that the connection proved, with a higher serial than the
 * record that is known. Our hello tells it nothing that other members are not told.
 *
 * @returns the server as the record describes it; undefined when it shows no such record
 */
export async function askReplacement(
  member: Member,
  { host, port }: HostPort,
  hello: Hello,
  signal: AbortSignal | undefined,
): Promise<KnownServer | undefined> {
  try {
    const link = await dial({ transport: 'tls', host, port, identity: member.identity }, { signal });
    const messenger = unauthenticatedMessenger(link);
    // A command's hello: nothing of ours is presence there before it is known to be our server.
    const { serverRecord: record, servers: list } = await sayHello(
      messenger,
      { ...hello, role: 'command', subscribe: false },
      { signal },
    );
    await messenger.close();
    const serial = knownSerial(member.server);
    const id = link.peerId;
    if (list !== undefined && id !== undefined && listsServer(list, id, member.network, serial))
      return { ...member.server, id, addresses: [{ host, port }], list };
    if (record === undefined || record.server !== id || record.serial <= serial) return undefined;
    verifyServerRecord(record, member.network);
    return { id: record.server, addresses: member.server.addresses, record };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof FilerError) return undefined; // it is no one we know
    throw error;
  }
}
