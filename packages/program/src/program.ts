import { FilerError } from '@filer/protocol';
import type { GivenArguments } from './arguments.ts';
import type { Command, Context, LineSurroundings, OpenCommand } from './command.ts';
import { isGlobal, readGlobals, selectCommand, separateFlags, unknownCommand } from './selection.ts';
import { completionCommand } from './completion/command.ts';
import type { Completion } from './completion/candidate.ts';
import type { CompletionSource } from './completion/complete.ts';
import { COMPLETE_TOKEN } from './completion/shells.ts';
import { askOnTerminal } from './confirmation.ts';
import { watchForCrash } from './crash.ts';
import { processEnvironment, variable, type Environment, type ProgramName } from './environment.ts';
import { commandHelp, firstWordsOf, programHelp } from './help/help.ts';
import { resolveHome } from './home.ts';
import { Output, type OutputStream } from './output.ts';
import { abortOnSignals } from './signals.ts';

/** What completion gets of a program. */
export type CompletionContext = Pick<Context, 'version' | 'env' | 'home'>;

export interface ProgramOptions {
  readonly program: ProgramName;
  /** What a person types for it: help and failures say that. @default the program's name */
  readonly calledAs?: string;
  /** The program's own file in `bin/`, absolute. @default what the process runs */
  readonly bin?: string;
  /** The command that runs when none is typed. @default a usage error */
  readonly wordless?: string;
  readonly version: string;
  /** What the program is, in one line. */
  readonly summary: string;
  readonly commands: readonly Command[];
  /** Looks up what a value may name, for completion. @default nothing */
  readonly completes?: (
    context: CompletionContext,
    ...asked: Parameters<CompletionSource>
  ) => Promise<Completion>;
  /** @default '' */
  readonly epilogue?: string;
  /** What follows the program's name. @default the process's */
  readonly argv?: readonly string[];
  /** @default the process's */
  readonly env?: Environment;
  /** @default the process's */
  readonly stdin?: NodeJS.ReadableStream;
  /** @default the process's */
  readonly stdout?: OutputStream;
  /** @default the process's */
  readonly stderr?: OutputStream;
}

/** 128 + SIGPIPE, as a shell reports a program that wrote to a closed pipe. */
export const OUTPUT_CLOSED_EXIT_CODE = 141;

const OUTPUT_CLOSED = new Error('the reader of standard output has closed it');

/**
 * Runs one command line from its parsing to its exit code. The caller exits with it at once: a fault may have
 * left something open. Never throws.
 */
export async function runProgram(options: ProgramOptions): Promise<number> {
  const { calledAs = options.program, stdout = process.stdout, stderr = process.stderr } = options;
  const commands = [...options.commands, completionCommand];
  const typed = options.argv ?? process.argv.slice(2);
  if (typed[0] === COMPLETE_TOKEN) return answerCompletion(options, commands, typed.slice(1), stdout);
  const argv = await separateFlags(commands, typed);
  const { program } = options;
  const about = { program, calledAs, ...readGlobals(argv), userFolder: userFolderOf(options) };
  const output = new Output({ ...about, stdout, stderr });
  const crash = watchForCrash();
  const controller = new AbortController();
  const stopSignals = abortOnSignals(controller);
  const { signal } = controller;
  let exitCode: number;
  try {
    const surroundings: Surroundings = {
      output,
      // Node opens standard input on its first look at it.
      get stdin() {
        return options.stdin ?? process.stdin;
      },
      stdout,
      get ask() {
        return askOnTerminal(options.stdin ?? process.stdin, output, signal);
      },
      outliveFailures: crash.outliveFailures,
      signal,
      onOutputClosed: () => controller.abort(OUTPUT_CLOSED),
    };
    const ran = dispatch({ ...options, calledAs, commands, argv }, surroundings);
    // It ended in order because it was asked to: nothing failed, and the exit code says who asked.
    exitCode = (await Promise.race([ran, crash.promise])) ?? abortedExitCode(signal) ?? 0;
  } catch (error) {
    // Whatever broke on the way out, that it was asked to end is what the caller wants to know.
    if (crash.happened() || !signal.aborted) exitCode = output.fail(error);
    else if (signal.reason === OUTPUT_CLOSED) exitCode = OUTPUT_CLOSED_EXIT_CODE;
    else exitCode = output.fail(endOf(signal, error));
  }
  crash.stop();
  const wasAborted = signal.aborted;
  await output.drain(signal);
  stopSignals();
  output.release();
  return wasAborted ? exitCode : (abortedExitCode(signal) ?? exitCode);
}

/** What a shell asks on a Tab; nothing is logged or said. */
async function answerCompletion(
  options: ProgramOptions,
  commands: readonly Command[],
  argv: readonly string[],
  stdout: OutputStream,
): Promise<number> {
  const { answerShell } = await import('./completion/answer.ts');
  const answer = await answerShell(commands, argv, sourceOf(options));
  // The shell may be gone.
  stdout.on('error', () => undefined);
  await new Promise<void>((resolve) => stdout.write(answer, () => resolve()));
  return 0;
}

/** Why a command ended that was asked to: in its own words, where it has more to say of that. */
function endOf({ reason }: AbortSignal, error: unknown): unknown {
  return error instanceof FilerError && error.cause === reason ? error : reason;
}

function sourceOf({
  program,
  version,
  env = processEnvironment(),
  completes,
}: ProgramOptions): CompletionSource {
  return async (...asked) => {
    const context = { version, env, home: resolveHome(program, env) };
    return (await completes?.(context, ...asked)) ?? { candidates: [] };
  };
}

/** What may stand at the cursor of a line that a command reads. */
async function completion(options: ProgramOptions, words: readonly string[]): Promise<Completion> {
  const { complete } = await import('./completion/complete.ts');
  return await complete(options.commands, words, sourceOf(options));
}

/** @returns undefined for a program that no one asked to end */
function abortedExitCode({ aborted, reason }: AbortSignal): number | undefined {
  if (!aborted) return undefined;
  return reason instanceof FilerError ? reason.exitCode : OUTPUT_CLOSED_EXIT_CODE;
}

type Dispatched = ProgramOptions & Required<Pick<ProgramOptions, 'calledAs' | 'argv'>>;

/** What a command line gets beside its words. */
interface Surroundings extends Pick<Context, 'stdin' | 'stdout' | 'ask' | 'outliveFailures' | 'signal'> {
  readonly output: Output;
  /** Ends the command when the reader of its output is gone. */
  readonly onOutputClosed: (() => void) | undefined;
}

async function dispatch(options: Dispatched, surroundings: Surroundings): Promise<number | undefined> {
  const { program, calledAs, wordless, version, summary, argv, epilogue = '' } = options;
  const { output, stdout } = surroundings;
  const { commands } = options;
  const globals = readGlobals(argv);
  const isHelpCommand = argv[0] === 'help';
  const typed = argv.slice(isHelpCommand ? (argv[1] === 'help' ? 2 : 1) : 0);
  const isWordless = wordless !== undefined && !globals.help && !isHelpCommand && typed.every(isGlobal);
  const { words, command, tokens } = selectCommand(commands, isWordless ? [wordless, ...typed] : typed);
  const next = tokens.find((token) => !isGlobal(token));
  if (next !== undefined && (command === undefined || (isHelpCommand && !next.startsWith('-')))) {
    throw unknownCommand(calledAs, commands, words, next);
  }
  if (globals.help || isHelpCommand) {
    const help = { program, calledAs, summary, epilogue, width: output.columns };
    const text = words.length === 0 ? programHelp(commands, help) : await commandHelp(commands, words, help);
    stdout.write(`${text}\n`);
    return 0;
  }
  if (globals.version) {
    output.line(version);
    output.json({ name: program, version });
    return 0;
  }
  if (command === undefined) throw unknownCommand(calledAs, commands, words);
  // yargs is loaded beside the command.
  const [opened, { parseCommandLine }] = await Promise.all([command.open(), import('./command-line.ts')]);
  return runCommand(opened, parseCommandLine(calledAs, commands, opened, tokens), options, surroundings);
}

async function runCommand(
  command: OpenCommand,
  given: GivenArguments,
  options: Dispatched,
  surroundings: Surroundings,
): Promise<number | undefined> {
  const { program, calledAs, version, env = processEnvironment() } = options;
  const { output, stdout, outliveFailures, signal, onOutputClosed } = surroundings;
  if (!command.outlivesOutput && onOutputClosed !== undefined) {
    output.closed.addEventListener('abort', onOutputClosed, { once: true });
  }
  const home = resolveHome(program, env);
  const exitCode = await command.start(given, {
    program,
    calledAs,
    version,
    bin: options.bin ?? process.argv[1] ?? '',
    env,
    home,
    output,
    // Node opens standard input on its first look at it.
    get stdin() {
      return surroundings.stdin;
    },
    stdout,
    get ask() {
      return surroundings.ask;
    },
    outliveFailures,
    signal,
    lines: {
      run: (argv, how) => runLine(options, argv, { ...how, outliveFailures }),
      complete: (words) => completion(options, words),
      firstWords: firstWordsOf(options.commands),
    },
  });
  return exitCode ?? undefined;
}

function userFolderOf({ env = processEnvironment() }: Pick<ProgramOptions, 'env'>): string | undefined {
  return variable(env, 'HOME');
}

/** Runs a command line of a command that is running. */
async function runLine(
  options: Dispatched,
  typed: readonly string[],
  { stderr, ...how }: LineSurroundings & Pick<Context, 'outliveFailures'>,
): Promise<number> {
  const { stdout, signal } = how;
  const argv = await separateFlags(options.commands, typed);
  const { program, calledAs } = options;
  const about = { program, calledAs, ...readGlobals(argv), userFolder: userFolderOf(options) };
  const output = new Output({ ...about, stdout, stderr });
  try {
    // Its output is that of the command which runs it.
    const exitCode = await dispatch({ ...options, argv }, { ...how, output, onOutputClosed: undefined });
    return exitCode ?? abortedExitCode(signal) ?? 0;
  } catch (error) {
    return output.fail(signal.aborted ? endOf(signal, error) : error);
  } finally {
    output.release();
  }
}
