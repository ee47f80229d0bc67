import { formatAgo, renderTable, type Context } from '@filer/program';
import { perform } from '../control/perform.ts';
import type { PeerLine, Peers } from '../daemon/operations/peers.ts';
import type { PeersArguments } from './commands.ts';
import { watchState } from './watch-state.ts';

export async function run(args: PeersArguments, context: Context): Promise<void> {
  if (!args.watch) {
    show(await perform(context, 'peers', { all: args.all }), args, context);
    return;
  }
  await watchState(
    context,
    () => perform(context, 'peers', { all: args.all }),
    (peers) => show(peers, args, context),
    ({ server, peers }) => [
      server.connected,
      peers.map((peer) => [peer.name, peer.state, peer.groups, peer.addresses]),
    ],
  );
}

function show(result: Peers, args: PeersArguments, { output }: Context): void {
  output.json({ server: result.server, peers: result.peers });
  const now = Date.now();
  if (result.peers.length === 0) {
    output.line('No other machine has joined yet.');
    output.hint('On the server:  ip-server invite   then on the other machine:  filer-client join -');
  } else {
    output.line(
      renderTable(
        [
          { title: 'NAME' },
          { title: 'STATE' },
          { title: 'LAST SEEN' },
          { title: 'GROUPS' },
          { title: 'ADDRESS' },
          ...(args.all ? [{ title: 'ID' }] : []),
        ],
        result.peers.map((peer) => [
          peer.self === true ? `${peer.name} (this machine)` : peer.name,
          stateWords(peer),
          peer.online && result.server.connected ? 'now' : lastSeen(peer, now),
          peer.groups.map((group) => `@${group}`).join(' '),
          peer.addresses[0] ?? '',
          ...(args.all ? [peer.id] : []),
        ]),
        output.columns,
      ),
    );
  }
  if (!result.server.connected) {
    const asOf =
      result.server.asOf === null ? '' : ` as of ${formatAgo(Date.parse(result.server.asOf), now)}`;
    output.warn(`the ip-server is away: this is the directory on this machine's disk${asOf}`);
  }
}

function lastSeen(peer: PeerLine, now: number): string {
  return peer.lastSeen === null ? 'never' : formatAgo(Date.parse(peer.lastSeen), now);
}

function stateWords({ state }: PeerLine): string {
  return state === 'stopped' || state === 'lost' ? `offline (${state})` : state;
}
