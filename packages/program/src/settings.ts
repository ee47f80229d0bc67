import { flag, list, optional, readValue, type Argument } from './arguments.ts';
import { optionName } from './binding.ts';
import { textKind, TOGGLE, type Kind } from './kinds.ts';

/** One thing that a flag, a variable or the configuration file can set. */
export interface Setting<T> {
  /** One line for the help and the configuration file. */
  readonly describe: string;
  /** What the configuration file shows, as TOML. */
  readonly example: string;
  /** A TOML list, or values with commas between them in a variable. */
  readonly isList: boolean;
  /** A variable holds one of them, whatever commas are in it. @default false */
  readonly variableIsOne?: boolean;
  /** @throws FilerError `usage` */
  readonly read: (texts: readonly string[], label: string) => T;
  /** What holds when nothing says otherwise. */
  readonly fallback: T;
  /** The option of a command that sets it. */
  readonly argument: (name: string) => Argument<T | undefined>;
}

/** A table of settings, by key. The setting of key `broadcastIntervalMs` is `broadcast-interval`. */
export type Settings = Readonly<Record<string, Setting<unknown>>>;

/** The values that a table of settings yields. */
export type SettingValues<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** The options of a command that set what stands in the table. */
export type SettingArguments<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? Argument<T | undefined> : never;
};

/** A setting that always has a value; `fallback` is written as a person would. */
export function setting<T>(kind: Kind<T>, fallback: string, describe: string): Setting<T> {
  return {
    describe,
    example: tomlOf(kind, fallback),
    isList: false,
    read: (texts, label) => readValue(kind, texts.join(','), label),
    fallback: kind.parse(fallback),
    argument: () => ({ ...optional(kind, describe), fallback }),
  };
}

/** A setting that may be absent; `example` is shown in the configuration file. */
export function optionalSetting<T>(kind: Kind<T>, example: string, describe: string): Setting<T | undefined> {
  return {
    describe,
    example: tomlOf(kind, example),
    isList: false,
    read: (texts, label) => readValue(kind, texts.join(','), label),
    fallback: undefined,
    argument: () => optional(kind, describe),
  };
}

/** A setting with any number of values, none by default. */
export function listSetting<T>(kind: Kind<T>, example: string, describe: string): Setting<readonly T[]> {
  return {
    describe,
    example: `[${tomlOf(kind, example)}]`,
    isList: true,
    read: (texts, label) => texts.map((text) => readValue(kind, text, label)),
    fallback: [],
    argument: () => {
      const { read, ...rest } = list(kind, describe, { commas: true });
      return { ...rest, read: (given, label) => (given.length === 0 ? undefined : read(given, label)) };
    },
  };
}

/**
 * A program to run, none by default. A flag or a variable names it; the file may list it with its arguments.
 *
 * @param example program and arguments
 */
export function commandSetting(
  example: readonly string[],
  describe: string,
): Setting<readonly string[] | undefined> {
  const program = textKind('a program', { completes: 'file' });
  const read = (texts: readonly string[], label: string): readonly string[] => [
    readValue(program, texts[0] ?? '', label),
    ...texts.slice(1),
  ];
  return {
    describe,
    example: JSON.stringify(example),
    isList: true,
    variableIsOne: true,
    read,
    fallback: undefined,
    argument: () => {
      const one = optional(program, describe);
      return {
        ...one,
        read: (given, label) => (given.length === 0 ? undefined : [one.read(given, label) ?? '']),
      };
    },
  };
}

/** On or off. The option of one that is on by default is `--no-…`. */
export function toggleSetting(fallback: boolean, describe: string): Setting<boolean> {
  return {
    describe,
    example: String(fallback),
    isList: false,
    read: (texts, label) => readValue(TOGGLE, texts.join(','), label),
    fallback,
    argument: (name) => ({
      ...flag(fallback ? `do not ${describe}` : describe),
      ...(fallback ? { option: `no-${name}` } : {}),
      read: (given) => (given.length === 0 ? undefined : !fallback),
    }),
  };
}

/** The options for a table of settings: spread them into the `args` of the command that takes them. */
export function settingArguments<S extends Settings>(settings: S): SettingArguments<S> {
  const entries = Object.entries(settings).map(([key, each]) => {
    const name = optionName(key);
    return [key, { ...each.argument(name), setting: name }] as const;
  });
  // Each key of the table has got its own setting's argument.
  return Object.fromEntries(entries) as SettingArguments<S>;
}

function tomlOf(kind: Kind<unknown>, text: string): string {
  return kind.bare ? text : JSON.stringify(text);
}
