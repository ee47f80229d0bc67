import { dirname, join } from 'node:path';
import { readdirSync } from 'node:fs';
import { FilerError, nearNames } from '@filer/protocol';
import type { Context, DaemonClient } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { ClientEvent } from '../../api/contract/events.ts';
import { openLivePeer } from '../../api/live-peer.ts';
import { wordsFor } from '../network/event-messages.ts';
import { shellCommands } from './commands.ts';
import { Screen } from './screen.ts';
import { splitWords } from './input-words.ts';

/** What the shell shows; that the directory changed is not news. */
const SHOWN = ['message', 'received', 'offer', 'presence', 'member', 'server', 'connection'] as const;

const MISSED = 'more happened than could be shown: look with peers, inbox and messages';

const OWN_WORDS = ['help', 'exit', 'quit'];

export async function run(_args: object, context: Context): Promise<number | undefined> {
  const { home, output } = context;
  await using peer = await openLivePeer(context);
  const { client: daemon } = peer;
  const status = await daemon.call(contract.status, {}, { signal: context.signal });
  const left = new FilerError('interrupted', 'the shell is left');
  const leave = new AbortController();
  const ended = AbortSignal.any([context.signal, leave.signal]);
  let names: readonly string[] = [];
  const screen = new Screen(
    context,
    join(dirname(home.lockFile), 'shell-history'),
    promptOf(status),
    (line) => complete(line, names),
  );
  const refreshNames = async (): Promise<void> => {
    names = (await daemon.call(contract.peers, {}, { signal: context.signal })).peers.map(({ name }) => name);
  };
  await refreshNames();
  if (peer.isOwn) screen.show('No daemon runs here: this shell is the peer for as long as it is open.');
  screen.show('Type help, or exit (Ctrl-D) to leave.');

  let isFirst = true;
  const onItem = (event: ClientEvent): void => {
    const words = event.type === 'reset' && !isFirst ? MISSED : wordsFor(event);
    isFirst = false;
    if (words === undefined) return;
    if (output.jsonMode) output.json({ type: event.type, ...event.data });
    else screen.show(`* ${words}`);
    if (event.type === 'presence' || event.type === 'reset') refreshNames().catch(() => undefined);
    if (event.type === 'member') screen.setPrompt(promptOf(event.data));
  };
  const following = daemon
    .call(contract.events, { types: SHOWN }, { onItem, signal: ended })
    .then(() => {
      if (!ended.aborted) screen.show('* the daemon has ended');
      leave.abort(left);
    })
    .catch((error: unknown) => {
      if (!ended.aborted) screen.show(`* ${error instanceof Error ? error.message : String(error)}`);
      leave.abort(left);
    });

  let running: AbortController | undefined;
  screen.onInterrupt(() => {
    if (running !== undefined) running.abort(new FilerError('interrupted', 'stopped'));
    else if (!screen.clearTyped()) leave.abort(left);
  });
  let failed = false;
  for await (const line of screen.typed(ended)) {
    running = new AbortController();
    const outcome = await runLine(
      line,
      daemon,
      screen,
      AbortSignal.any([ended, running.signal]),
      output.columns,
    );
    running = undefined;
    if (outcome === 'leave') break;
    failed = outcome === 'failed';
  }
  leave.abort(left);
  screen.close();
  await following;
  if (context.signal.aborted) return undefined; // the exit code is the signal's
  // A script that was piped in wants to know whether its last line worked; a person saw it.
  return failed && !output.isTerminal ? 1 : 0;
}

function promptOf({ name }: { readonly name: string }): string {
  return `${name}> `;
}

async function runLine(
  line: string,
  daemon: DaemonClient,
  screen: Screen,
  signal: AbortSignal,
  columns: number,
): Promise<'done' | 'failed' | 'leave'> {
  try {
    const [name, ...words] = splitWords(line);
    if (name === undefined) return 'done';
    if (name === 'exit' || name === 'quit') return 'leave';
    if (name === 'help') {
      for (const { usage, describe } of Object.values(shellCommands))
        screen.show(`  ${usage.padEnd(28)} ${describe}`);
      screen.show(`  ${'exit'.padEnd(28)} leave (or quit, or Ctrl-D)`);
      return 'done';
    }
    const command = Object.hasOwn(shellCommands, name) ? shellCommands[name] : undefined;
    if (command === undefined) throw unknown(name);
    await command.run(words, { daemon, signal, columns, show: (text) => screen.show(text) });
    return 'done';
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    screen.show(error.message);
    return 'failed';
  }
}

function unknown(name: string): FilerError {
  const near = nearNames(name, [...Object.keys(shellCommands), ...OWN_WORDS]);
  const hint = near.length === 0 ? 'type help to see all' : `did you mean ${near.join(' or ')}?`;
  return new FilerError('usage', `there is no ${name} here: ${hint}`);
}

/** Candidates for the last word of what was typed: commands first, then names of peers, or files. */
function complete(line: string, names: readonly string[]): [string[], string] {
  const words = line.split(/\s+/);
  const last = words.at(-1) ?? '';
  const [first = ''] = words;
  if (words.length <= 1) return [matching([...Object.keys(shellCommands), ...OWN_WORDS], last), last];
  const command = Object.hasOwn(shellCommands, first) ? shellCommands[first] : undefined;
  const wantsName = command?.names === 'all' || (command?.names === 'first' && words.length === 2);
  if (!wantsName) return [[], last];
  const files = command.names === 'all' ? filesBeside(last) : [];
  return [[...matching(names, last), ...matching(files, last)], last];
}

function matching(candidates: readonly string[], start: string): string[] {
  return candidates.filter((candidate) => candidate.startsWith(start)).map((candidate) => `${candidate} `);
}

function filesBeside(start: string): string[] {
  const at = start.lastIndexOf('/');
  const folder = start.slice(0, at + 1);
  try {
    return readdirSync(folder === '' ? '.' : folder).map((name) => `${folder}${name}`);
  } catch {
    return []; // no such folder: nothing to offer
  }
}
