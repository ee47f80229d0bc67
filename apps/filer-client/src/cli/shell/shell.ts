import { dirname, join } from 'node:path';
import { FilerError, nearNames } from '@filer/protocol';
import { type Context, type DaemonClient } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { ClientEvent } from '../../api/contract/events.ts';
import { openLivePeer } from '../../api/live-peer.ts';
import { wordsFor } from '../network/event-messages.ts';
import { completeLine, OWN_WORDS } from './completer.ts';
import { splitWords } from './input-words.ts';
import { Screen } from './screen.ts';
import { longLine } from './short-lines.ts';
import { verbOf, verbs } from './verbs.ts';
import { Readable } from 'node:stream';

/** Commands that read standard input where `-` is named. */
const READS_INPUT = new Set(['send', 'join']);

/** What the shell shows; that the directory changed is not news. */
const SHOWN = ['message', 'received', 'offer', 'presence', 'member', 'server', 'connection'] as const;

const MISSED = 'more happened than could be shown: look with peers, inbox and messages';

export const examples = ['shell'];

export async function run(_args: object, context: Context): Promise<number | undefined> {
  const { home, output } = context;
  await using peer = await openLivePeer(context);
  const { client: daemon } = peer;
  const status = await daemon.call(contract.status, {}, { signal: context.signal });
  const left = new FilerError('interrupted', 'the shell is left');
  const leave = new AbortController();
  const ended = AbortSignal.any([context.signal, leave.signal]);
  const screen = new Screen(
    context,
    join(dirname(home.lockFile), 'shell-history'),
    promptOf(status),
    (line) => completeLine(line, context),
  );
  if (peer.isOwn) screen.show('No daemon runs here: this shell is the peer for as long as it is open.');
  screen.show('Type help, or exit (Ctrl-D) to leave.');

  let isFirst = true;
  const onItem = (event: ClientEvent): void => {
    const words = event.type === 'reset' && !isFirst ? MISSED : wordsFor(event, context.calledAs);
    isFirst = false;
    if (words === undefined) return;
    if (output.jsonMode) output.json({ type: event.type, ...event.data });
    else screen.tell(`* ${words}`);
    if (event.type === 'member') screen.setPrompt(promptOf(event.data));
  };
  const following = daemon
    .call(contract.events, { types: SHOWN }, { onItem, signal: ended })
    .then(() => {
      if (!ended.aborted) screen.tell('* the daemon has ended, and so does this shell');
      leave.abort(left);
    })
    .catch((error: unknown) => {
      if (!ended.aborted)
        screen.tell(output.named(`* ${error instanceof Error ? error.message : String(error)}`));
      leave.abort(left);
    });

  let running: AbortController | undefined;
  screen.onInterrupt(() => {
    if (running !== undefined) running.abort(new FilerError('interrupted', 'stopped by Ctrl-C'));
    else if (!screen.clearTyped()) leave.abort(left);
  });
  let failed = false;
  for await (const line of screen.typed(ended)) {
    running = new AbortController();
    const signal = AbortSignal.any([ended, running.signal]);
    const typed = AbortSignal.any([context.signal, running.signal]);
    const work = { context, daemon, screen, signal, typed, isPeer: peer.isOwn };
    const outcome = await screen.lend(() => runLine(line, work));
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

interface Line {
  readonly context: Context;
  readonly daemon: DaemonClient;
  readonly screen: Screen;
  /** Aborted by Ctrl-C: ends what the line started, not the shell. */
  readonly signal: AbortSignal;
  /** The same, but not aborted by the end of the daemon. */
  readonly typed: AbortSignal;
  /** Whether the shell itself is the peer, since no daemon runs. */
  readonly isPeer: boolean;
}

async function runLine(typed: string, line: Line): Promise<'done' | 'failed' | 'leave'> {
  const { context, daemon, screen, signal } = line;
  const { output } = context;
  try {
    const [name, ...words] = splitWords(typed, context.env['HOME']);
    if (name === undefined) return 'done';
    if (words.length === 0 && (name === 'exit' || name === 'quit')) return 'leave';
    if (name === 'help' && words.length === 0) return await help(line);
    const verb = verbOf(name);
    if (verb !== undefined) {
      const show = (text: string): void => screen.show(text);
      await verb.run(words, { daemon, signal, columns: output.columns, show });
      return 'done';
    }
    const argv = longLine([name, ...words]);
    if (argv[0] === 'shell') throw new FilerError('usage', 'this is the shell already');
    if (READS_INPUT.has(argv[0] ?? '') && argv.includes('-')) throw new FilerError('usage', NO_INPUT);
    if (argv[0] !== undefined && argv[0] !== 'help' && !isCommand(context, argv[0]))
      throw unknown(context, argv[0]);
    if (line.isPeer && argv.length === 1 && (argv[0] === 'start' || argv[0] === 'stop')) {
      const next = argv[0] === 'start' ? `, then type \`${context.calledAs} start\`` : '';
      throw new FilerError('usage', `no daemon runs, this shell is the peer: leave it with exit${next}`);
    }
    // The daemon that it stops ends the shell: what happened is told before.
    const work = argv[0] === 'stop' ? { ...line, signal: line.typed } : line;
    return (await runCommand(argv, work)) === 0 ? 'done' : 'failed';
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    screen.show(output.named(error.message));
    return 'failed';
  }
}

/** Runs a command of the program: with the terminal of the shell, and without its standard input. */
async function runCommand(argv: readonly string[], { context, screen, signal }: Line): Promise<number> {
  if (argv[0] === 'get' && argv.includes('-')) screen.lendRaw();
  const { output, stdout, lines } = context;
  const isYes = async (question: string): Promise<boolean> =>
    /^\s*y(es)?\s*$/i.test(await screen.ask(`${question} [y/N] `, signal));
  return await lines.run(output.jsonMode ? ['--json', ...argv] : argv, {
    stdin: new NoInput(),
    stdout,
    stderr: output.stderr,
    ask: screen.isTerminal ? isYes : undefined,
    signal,
  });
}

async function help(line: Line): Promise<'done' | 'failed'> {
  const code = await runCommand(['help'], line);
  const { screen } = line;
  screen.show('\nIn message NAME TEXT… only quotes and apostrophes need quotes: message bob "don\'t"');
  screen.show('In send FILE… NAME no --to is needed. Only here:');
  const own = [
    ...Object.values(verbs),
    { usage: 'accept ID, decline ID [REASON…]', describe: 'answer an offer' },
    { usage: 'exit', describe: 'leave (or quit, or Ctrl-D)' },
  ];
  for (const { usage, describe } of own) screen.show(`  ${usage.padEnd(32)} ${describe}`);
  return code === 0 ? 'done' : 'failed';
}

function isCommand({ lines }: Context, word: string): boolean {
  return word.startsWith('-') || lines.firstWords.includes(word);
}

function unknown({ lines }: Context, name: string): FilerError {
  const near = nearNames(name, [...lines.firstWords, ...Object.keys(verbs), ...OWN_WORDS]);
  const hint = near.length === 0 ? 'type help to see all' : `did you mean ${near.join(' or ')}?`;
  return new FilerError('usage', `there is no ${name} here: ${hint}`);
}

const NO_INPUT = 'standard input is that of the shell: run this command outside of it';

/** The standard input of a command in the shell, whose own input are the lines that are typed. */
class NoInput extends Readable {
  override _read(): void {
    this.destroy(new FilerError('usage', NO_INPUT));
  }
}
