import { fieldsOf, textOf } from '@filer/protocol';
import {
  formatAgo,
  LiveView,
  requireControl,
  screenLines,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import type { peersArguments } from './arguments.ts';
import { asking } from './asking.ts';
import { peersKey, peersScreen } from './peers-screen.ts';

const NOBODY = 'No machine has joined yet; make an invite: ip-server invite';

export async function run(args: ArgumentValues<typeof peersArguments>, context: Context): Promise<void> {
  if (args.watch) await watch(args.all, context);
  else show(await asking(context, {}, (asker) => asker.ask('peers', { all: args.all })), context);
}

function show(document: unknown, { output, stdout }: Context): void {
  output.json(document);
  const now = Date.now();
  const screen = peersScreen(document, { now, columns: output.columns }, stdout);
  if (screen.items.length === 0) output.words(NOBODY);
  else for (const line of screenLines(screen)) output.line(line);
  const server = fieldsOf(fieldsOf(document, 'peers')['server'], 'server');
  if (server['connected'] === true || screen.items.length === 0) return;
  const asOf = formatAgo(Date.parse(textOf(server['asOf'], 'asOf')), now);
  output.warn(`the server is stopped: this is how it was ${asOf}`);
}

async function watch(all: boolean, context: Context): Promise<void> {
  const { home, output, stdout, signal } = context;
  await using caller = await requireControl(home, { signal });
  using view = new LiveView<unknown>(context, {
    layOut: (document, size) => {
      const screen = peersScreen(document, size, stdout);
      return screen.items.length === 0 ? { items: [[NOBODY]] } : screen;
    },
    // Programs get every number; a person who reads line by line what changed.
    keyOf: (document) => (output.jsonMode ? document : peersKey(document)),
  });
  try {
    await caller.stream('watch-peers', { all }, (document) => view.show(document), { signal });
  } catch (error) {
    // Whoever watches ends it: that is no failure.
    if (!signal.aborted) throw error;
  }
}
