import { readArguments } from './binding.ts';
import type { Arguments, ArgumentValues, GivenArguments } from './arguments.ts';
import type { Environment, ProgramName } from './environment.ts';
import type { Home } from './home.ts';
import type { Output, OutputStream } from './output.ts';

/** What every command gets beside its arguments. */
export interface Context {
  readonly program: ProgramName;
  readonly version: string;
  readonly env: Environment;
  /** Where everything is; `openHome` before writing there. */
  readonly home: Home;
  readonly output: Output;
  readonly stdin: NodeJS.ReadableStream;
  /** The raw standard output, for a command that streams bytes (`get … -`). */
  readonly stdout: OutputStream;
  /**
   * From now on a failure of a disk, a network or another machine that comes up where nothing waits for it, in a callback of
   * the system for one, is reported and does not end the program: what a daemon needs. A bug still ends it.
   */
  readonly outliveFailures: (report: (error: unknown) => void) => void;
  /** Aborted on SIGINT and SIGTERM and when standard output is closed; its reason is what to throw. */
  readonly signal: AbortSignal;
}

/** The part of a command that is loaded when it is used. */
export interface CommandModule<A extends Arguments> {
  /** @returns the exit code; nothing is 0, or the signal's code if a signal came */
  run(args: ArgumentValues<A>, context: Context): Promise<number | void>;
}

export interface CommandDefinition<A extends Arguments> {
  /**
   * Words, then positionals: `send <paths..>`, `get <source> [dest]`. What stands after `--` is bound to what
   * the usage names there (`report schedule add <name> [-- command..]`), else it counts as positionals.
   */
  readonly usage: string;
  /** One line, a verb first. */
  readonly describe: string;
  /** Positionals by the names of the usage; all others are options. */
  readonly args: A;
  /** Whole command lines without the program's name. */
  readonly examples?: readonly string[];
  /**
   * Goes on when the reader of standard output has closed it, as a daemon does.
   *
   * @default false
   */
  readonly outlivesOutput?: boolean;
  readonly load: () => Promise<CommandModule<A>>;
}

/** A command as `runProgram` takes it. */
export interface Command extends Omit<CommandDefinition<Arguments>, 'load'> {
  /** @throws FilerError `usage` before anything is loaded */
  readonly start: (given: GivenArguments, context: Context) => Promise<number | void>;
}

/**
 * Declares a command. Keep `args` in a constant of its own, so that the module behind `load` can name their
 * type: `type SendArguments = ArgumentValues<typeof args>`.
 */
export function defineCommand<const A extends Arguments>(definition: CommandDefinition<A>): Command {
  const { load, ...rest } = definition;
  return {
    ...rest,
    start: async (given, context) => {
      const values = readArguments(definition.args, given);
      return (await load()).run(values, context);
    },
  };
}
