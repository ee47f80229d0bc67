import { FilerError } from '@filer/protocol';
import { contract } from '../../api/contract.ts';
import type { ServerEntryDocument, StatusDocument } from '../../api/contract/server.ts';
import type { ServerClient } from '../../api/server-client.ts';

/** How the list of servers has the one of this home; undefined while the store cannot say it. */
export async function ownEntry(
  server: Pick<ServerClient, 'call'>,
  { store }: Pick<StatusDocument, 'store'>,
): Promise<ServerEntryDocument | undefined> {
  if (store.engine === 'sqlite' || !store.reachable) return undefined;
  try {
    const { servers } = await server.call(contract.servers, {});
    return servers.find(({ here }) => here);
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return undefined;
  }
}
