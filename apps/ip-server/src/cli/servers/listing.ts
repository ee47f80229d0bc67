import { FilerError, type ListedServer } from '@filer/protocol';
import { counted, required, textKind, type ArgumentValues, type Context, type Loss } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { ServerEntryDocument } from '../../api/contract/server.ts';
import type { ServerClient } from '../../api/server-client.ts';
import { signServers } from '../../network/server-listing.ts';
import { networkKey } from '../arguments.ts';
import { asking } from '../asking.ts';
import { networkKeyOf } from '../members/signing.ts';
import { shortId } from './servers.ts';

const SERVER = textKind('the id of a server, or how it begins', { value: 'id' });
const args = { id: required(SERVER, 'which server'), networkKey };
type Arguments = ArgumentValues<typeof args>;

export const serversAdd = {
  examples: [
    'servers add 7KQ2MA5F4DX3',
    'servers add 7KQ2MA5F4DX3 --network-key /media/safe/network-key.pem',
  ],
  args,
  run: async (given: Arguments, context: Context): Promise<void> => {
    const { id, addresses } = await changed(context, given, (servers, wanted) => {
      if (wanted.addresses.length === 0)
        throw new FilerError(
          'refused',
          `the server ${shortId(wanted.id)} has not said where it is: start it first`,
        );
      // What it says of itself now: its addresses may have changed since it was listed.
      return [...servers.filter((each) => each.listed && each.id !== wanted.id), wanted];
    });
    context.output.json({ added: { id, addresses } });
    context.output.line(
      `added ${shortId(id)} at ${addresses.join(' ')}; machines learn of it from the other servers`,
    );
  },
};

export const serversRemove = {
  examples: ['servers remove 7KQ2MA5F4DX3', 'servers remove 7KQ2MA5F4DX3 --yes'],
  args,
  confirms: 'always' as const,
  lossOf: async ({ id }: Arguments, context: Context): Promise<Loss> => {
    const { servers } = await asking(context, {}, (server) => server.call(contract.servers, {}));
    const { id: whole, machines } = serverIn(servers, id);
    return {
      lines: [
        `No machine trusts the server ${shortId(whole)} any longer. ${counted(machines, 'machine')} connected there ${machines === 1 ? 'goes' : 'go'} to another server.`,
        'It is not stopped: stop it there.',
      ],
      question: `Remove the server ${shortId(whole)}?`,
    };
  },
  run: async (given: Arguments, context: Context): Promise<void> => {
    const { id } = await changed(context, given, (servers, wanted) => {
      const stay = servers.filter((each) => each.listed && each.id !== wanted.id);
      if (stay.length === 0)
        throw new FilerError('refused', 'this is the only server of the network: add another one first');
      return stay;
    });
    context.output.json({ removed: { id } });
    context.output.line(`removed ${shortId(id)}`);
  },
};

/** Signs another list of servers, and hands it to the server. @returns the server that was named */
async function changed(
  context: Context,
  { id, networkKey: file }: Arguments,
  change: (servers: readonly ServerEntryDocument[], wanted: ServerEntryDocument) => readonly ListedServer[],
): Promise<ServerEntryDocument> {
  return await asking(context, { exclusive: true }, async (server: ServerClient) => {
    const key = await networkKeyOf(context, server, file);
    const { servers, serial } = await server.call(contract.servers, {});
    const wanted = serverIn(servers, id);
    const signed = signServers(key, change(servers, wanted), [{ serial }], Date.now());
    await server.call(contract.serversList, { list: signed.list, records: [...signed.records] });
    return wanted;
  });
}

/** @throws FilerError `no-such-peer` */
function serverIn(servers: readonly ServerEntryDocument[], id: string): ServerEntryDocument {
  const found = servers.filter((each) => each.id.startsWith(id.toUpperCase()));
  const [server] = found;
  if (server !== undefined && found.length === 1) return server;
  throw new FilerError(
    'no-such-peer',
    found.length > 1
      ? `several servers have ids that begin with ${id}: give more of it`
      : `there is no server ${id}: "ip-server servers" lists those that were started on this database`,
  );
}
