/* Where else a client can go. */
import { MAX_SERVER_LIST_BYTES } from '../limits.ts';
import { parseServerList, type ServerList } from '../trust/server-list.ts';
import { json } from './content.ts';
import { message } from './declaration.ts';
import { serverToClient } from './route.ts';

/** The list of servers has changed. The signature is not checked here. */
export const serversMessage = message({
  type: 'servers',
  routes: [serverToClient],
  content: json({
    shape: 'a signed server list',
    maxBytes: MAX_SERVER_LIST_BYTES,
    read: (value) => ({ list: parseServerList(value) }),
    write: ({ list }: { readonly list: ServerList }) => list,
  }),
});
