import type { Argument } from '../arguments.ts';
import { optionsOf, parseUsage, positionalLabel, type Positional } from '../binding.ts';
import type { OpenCommand } from '../command.ts';

/** A positional or an option as people see it. */
export interface Parameter {
  readonly key: string;
  /** `<paths..>` as the usage has it, or `--to`. */
  readonly name: string;
  /** `-t` */
  readonly short: string | undefined;
  /** `<target>`; undefined for a flag and for a positional. */
  readonly value: string | undefined;
  /** Before what holds of its value: `recipients`. */
  readonly describe: string;
  /** What holds of its value: `required`, `default: 1m`. */
  readonly remarks: readonly string[];
  readonly argument: Argument<unknown>;
}

/** A command taken apart: what help, manual pages and docs/cli show of it. */
export interface CommandForm {
  readonly words: readonly string[];
  /** With the options that must be given: `send <paths..> --to <target>`. */
  readonly synopsis: string;
  readonly positionals: readonly Parameter[];
  readonly options: readonly Parameter[];
}

export function formOf(command: OpenCommand): CommandForm {
  const usage = parseUsage(command.usage);
  const positionals = usage.positionals.flatMap((positional) => {
    const argument = command.args[positional.key];
    return argument === undefined ? [] : [positionalForm(positional, argument)];
  });
  const options = [...optionsOf(command, usage)].map(([name, { key, argument }]) =>
    optionForm(name, key, argument),
  );
  const needed = options
    .filter(({ argument }) => argument.required)
    .map(({ name, value }) => `${name} ${value}`);
  const [before, after] = command.usage.split(/(?= \[--)/);
  const hasMore = options.length > needed.length ? ['[flags]'] : [];
  return {
    words: usage.words,
    synopsis: command.synopsis ?? [before, ...needed, ...hasMore].join(' ') + (after ?? ''),
    positionals,
    options,
  };
}

function positionalForm({ key, many, afterDashes }: Positional, argument: Argument<unknown>): Parameter {
  return {
    key,
    name: afterDashes ? `-- ${key}${many ? '..' : ''}` : positionalLabel({ key, many }, argument.required),
    short: undefined,
    value: undefined,
    describe: argument.describe,
    remarks: argument.kind?.choices === undefined ? [] : [argument.kind.choices.join(', ')],
    argument,
  };
}

function optionForm(name: string, key: string, argument: Argument<unknown>): Parameter {
  const { describe, alias, arity, required, fallback, commas, kind } = argument;
  const remarks = [
    ...(required ? ['required'] : []),
    ...(arity === 'many' ? [commas === true ? 'several: repeat it, or a,b' : 'repeatable'] : []),
    ...(fallback === undefined ? [] : [`default: ${fallback}`]),
  ];
  return {
    key,
    name: `--${name}`,
    short: alias === undefined ? undefined : `-${alias}`,
    value: arity === 'flag' ? undefined : `<${kind?.value ?? 'value'}>`,
    describe,
    remarks,
    argument,
  };
}
