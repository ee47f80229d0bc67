import { flag, formatAgo, LiveView, screenLines, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { PeersDocument } from '../../api/contract/members.ts';
import { asking } from '../asking.ts';
import { following } from '../following.ts';
import { peersKey, peersScreen } from './peers-screen.ts';

export const args = {
  all: flag('include machines that left or were removed'),
  watch: flag('keep running, and show every change'),
};
type PeersArguments = ArgumentValues<typeof args>;

export const examples = ['peers', 'peers --watch', 'peers --json'];

const NOBODY = 'No machine has joined yet; make an invite: ip-server invite';

export async function run(args: PeersArguments, context: Context): Promise<void> {
  if (args.watch) await watch(args.all, context);
  else show(await asking(context, {}, (server) => server.call(contract.peers, { all: args.all })), context);
}

function show(document: PeersDocument, { output, stdout }: Context): void {
  output.json(document);
  const now = Date.now();
  const screen = peersScreen(document, { now, columns: output.columns }, stdout);
  if (screen.items.length === 0) output.words(NOBODY);
  else for (const line of screenLines(screen)) output.line(line);
  const stopped = stoppedWords(document, now);
  if (stopped !== undefined && screen.items.length > 0) output.warn(stopped);
}

async function watch(all: boolean, context: Context): Promise<void> {
  const { output, stdout } = context;
  using view = new LiveView<PeersDocument>(context, {
    layOut: (document, size) => {
      const { head = [], items } = peersScreen(document, size, stdout);
      const stopped = stoppedWords(document, size.now);
      return {
        head,
        items: items.length === 0 ? [[NOBODY]] : items,
        foot: stopped === undefined ? [] : [`${stopped}; it is waited for`],
      };
    },
    // Programs get every number; a person who reads line by line what changed.
    keyOf: (document) => (output.jsonMode ? jsonKey(document) : peersKey(document)),
  });
  const show = (document: PeersDocument): void => view.show(document);
  await following(context, {
    types: ['peer', 'schedule'],
    refresh: async (server) => show(await server.call(contract.peers, { all })),
  });
}

/** When it was asked is no change. */
function jsonKey({ server, peers }: PeersDocument): unknown {
  return [server.connected, peers];
}

/** That what is shown is not how it is now; undefined while the server runs. */
function stoppedWords({ server }: PeersDocument, now: number): string | undefined {
  if (server.connected) return undefined;
  const asOf = formatAgo(Date.parse(server.asOf), now);
  return `the server is stopped: this is how it was ${asOf}`;
}
