import {
  flag,
  formatAgo,
  layOutTable,
  screenLines,
  type ArgumentValues,
  type Column,
  type Context,
  type Screen,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { PeerLine, Peers } from '../../api/contract/peers.ts';
import { noServerWords } from './no-server-messages.ts';
import { watchState, type Watched } from '../watch/watch-state.ts';
import { timeoutMs } from '../arguments.ts';

export const args = {
  all: flag('include this machine, and machines that left or were removed'),
  watch: flag('keep running, and show every change'),
  timeoutMs,
};

export const examples = ['peers', 'peers --watch', 'peers --json | jq'];

export async function run(
  { all, watch, timeoutMs }: ArgumentValues<typeof args>,
  context: Context,
): Promise<void> {
  const { output } = context;
  if (watch) {
    const watched: Watched<Peers> = {
      types: ['directory', 'presence', 'member', 'server'],
      ask: (daemon) => daemon.call(contract.peers, { all, timeoutMs }),
    };
    await watchState(context, watched, {
      layOut: (peers, { now, columns }) => {
        const screen = screenOf(peers, all, now, columns);
        const away = awayWords(peers, now);
        return away === undefined ? screen : { ...screen, foot: [away] };
      },
      documentOf,
      keyOf: ({ server, peers }) => [
        server.connected,
        peers.map((peer) => [peer.name, peer.state, peer.groups, peer.addresses, peer.via]),
      ],
    });
    return;
  }
  const peers = await call(context, contract.peers, { all, timeoutMs });
  const now = Date.now();
  output.json(documentOf(peers));
  for (const line of peersLines(peers, all, now, output.columns)) output.line(line);
  if (peers.peers.length === 0)
    output.hint('On the server:  ip-server invite   then on the other machine:  filer-client join -');
  const away = awayWords(peers, now);
  if (away !== undefined) output.warn(away);
}

/** The table of `peers`, line by line. */
export function peersLines(peers: Peers, all: boolean, now: number, columns: number): string[] {
  return screenLines(screenOf(peers, all, now, columns));
}

function documentOf({ server, peers }: Peers): object {
  return { server, peers };
}

const ID_COLUMN: Column = { title: 'ID', fit: 'below' };

function screenOf({ peers }: Peers, all: boolean, now: number, columns: number): Screen {
  if (peers.length === 0) return { items: [['No other machine has joined yet.']] };
  const { head, rows } = layOutTable(
    [
      { title: 'NAME', fit: 'whole' },
      { title: 'STATE', fit: 'whole' },
      { title: 'LAST SEEN', fit: 'whole' },
      { title: 'GROUPS' },
      { title: 'VIA', fit: 'whole', dropOrder: 2 },
      { title: 'ADDRESS', fit: 'whole', dropOrder: 1 },
      ...(all ? [ID_COLUMN] : []),
    ],
    peers.map((peer) => [
      peer.self === true ? `${peer.name} (this machine)` : peer.name,
      stateWords(peer),
      peer.online ? 'now' : lastSeen(peer, now),
      peer.groups.map((group) => `@${group}`).join(' '),
      peer.via ?? '',
      peer.addresses[0] ?? '',
      ...(all ? [peer.id] : []),
    ]),
    columns,
  );
  return { head, items: rows };
}

/** @returns undefined while the server is there */
export function awayWords({ server }: Peers, now: number): string | undefined {
  if (server.connected) return undefined;
  const asOf = server.asOf === null ? '' : ` as of ${formatAgo(Date.parse(server.asOf), now)}`;
  return `${noServerWords(server.problem)}: this is the directory on this machine's disk${asOf}`;
}

function lastSeen(peer: PeerLine, now: number): string {
  return peer.lastSeen === null ? 'never' : formatAgo(Date.parse(peer.lastSeen), now);
}

function stateWords({ state }: PeerLine): string {
  return state === 'stopped' || state === 'lost' ? `offline (${state})` : state;
}
