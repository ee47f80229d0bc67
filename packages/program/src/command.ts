import { parseUsage, readArguments } from './binding.ts';
import { confirm, requireTerminal, yesOf, type Ask, type Confirms, type Loss } from './confirmation.ts';
import type { Arguments, ArgumentValues, GivenArguments } from './arguments.ts';
import type { Completion } from './completion/candidate.ts';
import type { Environment, ProgramName } from './environment.ts';
import type { Home } from './home.ts';
import type { Output, OutputStream } from './output.ts';

/** What every command gets beside its arguments. */
export interface Context {
  readonly program: ProgramName;
  /** What a person types for it. */
  readonly calledAs: string;
  readonly version: string;
  /** The program's own file in `bin/`, absolute. */
  readonly bin: string;
  readonly env: Environment;
  /** Where everything is; `openHome` before writing there. */
  readonly home: Home;
  readonly output: Output;
  readonly stdin: NodeJS.ReadableStream;
  /** The raw standard output, for a command that streams bytes (`get … -`). */
  readonly stdout: OutputStream;
  /** Undefined where there is no terminal to ask on. */
  readonly ask: Ask | undefined;
  /**
   * From now on a failure of a disk, a network or another machine that comes up where nothing waits for it, in a callback of
   * the system for one, is reported and does not end the program: what a daemon needs. A bug still ends it.
   */
  readonly outliveFailures: (report: (error: unknown) => void) => void;
  /** Aborted on SIGINT and SIGTERM and when standard output is closed; its reason is what to throw. */
  readonly signal: AbortSignal;
  /** The command lines of this program, for one that runs others: the interactive shell. */
  readonly lines: CommandLines;
}

/** Where a command line runs that another command runs. */
export interface LineSurroundings extends Pick<Context, 'stdin' | 'stdout' | 'ask' | 'signal'> {
  readonly stderr: OutputStream;
}

/** Runs command lines in this process. */
export interface CommandLines {
  /** Runs one as the program would, from its parsing to its exit code. Never throws but for a bug. */
  run(argv: readonly string[], surroundings: LineSurroundings): Promise<number>;
  /** What may stand at the cursor. @param words up to the cursor, the last one is being typed */
  complete(words: readonly string[]): Promise<Completion>;
  /** With which words they begin. */
  readonly firstWords: readonly string[];
}

/** The module of a command: what can be typed after its words, and what it does. It is loaded when the command is used. */
interface CommandText<A extends Arguments> {
  /** Positionals by the names of the usage; all others are options. @default none */
  readonly args?: A;
  /**
   * Turns a short way of writing into the long one, before anything is read: `send x bob:` into `send x --to bob`.
   *
   * @throws FilerError `usage`
   */
  readonly expand?: ((given: GivenArguments) => GivenArguments) | undefined;
  /** How help shows it. @default the usage, with the options that must be given */
  readonly synopsis?: string | undefined;
  /** Whole command lines without the program's name. */
  readonly examples?: readonly string[] | undefined;
  /** Continues when the reader of standard output has closed it, as a daemon does. @default false */
  readonly outlivesOutput?: boolean | undefined;
  /** @returns the exit code; nothing is 0, or the signal's code if a signal came */
  run(args: ArgumentValues<A>, context: Context): Promise<number | void>;
}

/** One that `confirms` says what would be lost and asks, default no; without a terminal it needs `--yes`, its own option. */
export type CommandModule<A extends Arguments> = CommandText<A> &
  (
    | { readonly confirms?: undefined }
    | {
        readonly confirms: Confirms<A>;
        /** Looks up what would be lost. @throws FilerError where the command would fail anyway, such as `no-such-peer` */
        lossOf(args: ArgumentValues<A>, context: Context): Promise<Loss>;
      }
  );

/** A command as the table of a program names it: what is shown of it before its module is loaded. */
export interface Command {
  /**
   * Words, then positionals: `send <paths..>`, `get <source> [dest]`. What stands after `--` is bound to what
   * the usage names there (`report schedule add <name> [-- command..]`), else it counts as positionals.
   */
  readonly usage: string;
  /** One line, a verb first. */
  readonly describe: string;
  /** The title under which the help of the program shows it. @default among the others */
  readonly group?: string | undefined;
  /** Loads its module. */
  readonly open: () => Promise<OpenCommand>;
}

/** A command whose module is loaded. */
export interface OpenCommand
  extends Command, Pick<CommandText<Arguments>, 'expand' | 'synopsis' | 'examples'> {
  readonly args: Arguments;
  readonly outlivesOutput: boolean;
  /** @throws FilerError `usage` */
  readonly start: (given: GivenArguments, context: Context) => Promise<number | void>;
}

/** Of a command whose question was answered with no. */
const UNCHANGED_EXIT_CODE = 1;

/** An entry of the table of a program's commands. */
export function command<const A extends Arguments>(
  usage: string,
  describe: string,
  load: () => Promise<CommandModule<A>>,
): Command {
  const entry: Command = { usage, describe, open: async () => opened(entry, await load()) };
  return entry;
}

/** Commands that the help of the program shows together, what is used most first. */
export function group(title: string, commands: readonly Command[]): Command[] {
  return commands.map((each) => ({
    ...each,
    group: title,
    open: async () => ({ ...(await each.open()), group: title }),
  }));
}

function opened<A extends Arguments>(entry: Command, module: CommandModule<A>): OpenCommand {
  const { args = {}, expand, synopsis, examples, outlivesOutput = false, confirms } = module;
  const text = { ...entry, expand, synopsis, examples, outlivesOutput };
  const valuesOf = (given: GivenArguments): ArgumentValues<A> => readArguments(module.args, given);
  if (confirms === undefined)
    return { ...text, args, start: async (given, context) => module.run(valuesOf(given), context) };
  const yesArgument = yesOf(confirms);
  return {
    ...text,
    args: { ...args, ...yesArgument },
    start: async (given, context) => {
      const values = valuesOf(given);
      const { yes } = readArguments(yesArgument, given);
      const asks = !yes && (confirms === 'always' || confirms.when(values));
      if (asks) {
        const typed = [context.calledAs, ...parseUsage(entry.usage).words].join(' ');
        requireTerminal(context.ask, typed, context.output);
        if (!(await confirm(await module.lossOf(values, context), context))) return UNCHANGED_EXIT_CODE;
      }
      return module.run(values, context);
    },
  };
}
