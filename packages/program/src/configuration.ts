import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  createSecretFile,
  FilerError,
  makeFolders,
  messageOf,
  systemCode,
  writeFailure,
} from '@filer/protocol';
import { optionName } from './binding.ts';
import { environmentPrefix, settingVariable, variable, type Environment } from './environment.ts';
import type { Home } from './home.ts';
import type { Setting, Settings, SettingValues } from './settings.ts';

/** How long a file may be empty while something writes it, and how often it is read meanwhile, in ms. */
const BEING_WRITTEN_MS = 3_000;
const LOOK_MS = 50;

export interface ConfigurationSources<S extends Settings> {
  readonly home: Home;
  readonly env: Environment;
  /** The values of the options that `settingArguments` declared; undefined is not given. */
  readonly flags: { readonly [K in keyof S]?: SettingValues<S>[K] | undefined };
  /** Gets each wrong value, for which the default then counts, and a file that cannot be read. @default the first is thrown */
  readonly onWrong?: ((error: FilerError) => void) | undefined;
}

/**
 * The value of every setting: the flag's, else the variable's, else the configuration file's, else the
 * default. A file that is not there sets nothing. One without any text is being written, or was cut off: the defaults in
 * its place may accept what the owner has forbidden, or remove what is to be kept.
 *
 * @throws FilerError `configuration-invalid`, which names the variable or the file
 */
export async function readConfiguration<S extends Settings>(
  settings: S,
  { home, env, flags, onWrong }: ConfigurationSources<S>,
): Promise<SettingValues<S>> {
  const wrong = (error: unknown): void => tell(error, onWrong);
  const file = await readTable(settings, home.configFile, wrong);
  const values = Object.entries(settings).map(([key, each]) => {
    if (flags[key] !== undefined) return [key, flags[key]] as const;
    try {
      return [key, given(home, env, file, optionName(key), each)] as const;
    } catch (error) {
      wrong(error);
      return [key, each.fallback] as const;
    }
  });
  // Each key of the table has got what its own `read` returned, or its own default.
  return Object.fromEntries(values) as SettingValues<S>;
}

/** What the variable of a setting says, else the file, else its default. @throws FilerError `configuration-invalid` */
function given<T>(
  { program, configFile }: Home,
  env: Environment,
  file: ReadonlyMap<string, unknown>,
  name: string,
  each: Setting<T>,
): T {
  const variableName = settingVariable(program, name);
  const inEnvironment = variable(env, variableName);
  if (inEnvironment !== undefined) {
    const isSplit = each.isList && each.variableIsOne !== true;
    const texts = isSplit ? inEnvironment.split(',') : [inEnvironment];
    return invalidIfWrong(() => each.read(texts, `the variable ${variableName}`));
  }
  if (!file.has(name)) return each.fallback;
  const label = `${name} in ${configFile}`;
  return invalidIfWrong(() => each.read(textsOf(each, file.get(name), label), label));
}

/** @throws the error where it is not told */
function tell(error: unknown, onWrong: ConfigurationSources<Settings>['onWrong']): void {
  if (onWrong === undefined || !(error instanceof FilerError)) throw error;
  onWrong(error);
}

/**
 * Writes a configuration file in which every setting stands as a comment, unless there is a file already.
 *
 * @returns whether it was written
 * @throws FilerError `home-not-writable`, `no-space`
 */
export async function writeConfigurationTemplate(settings: Settings, home: Home): Promise<boolean> {
  const prefix = environmentPrefix(home.program);
  const lines = Object.entries(settings).flatMap(([key, { describe, example }]) => {
    const name = optionName(key);
    return ['', `# ${describe}`, `#${name} = ${example}`];
  });
  const head = [
    `# Settings of ${home.program}. Take away the # before a name to set it, then start the program again.`,
    `# A flag (--name) and a variable (${prefix}NAME) win over what stands here.`,
  ];
  if (existsSync(home.configFile)) return false;
  try {
    makeFolders(dirname(home.configFile), 0o700);
  } catch (error) {
    throw writeFailure(`cannot write ${home.configFile}`, home.configFile, error);
  }
  // Whole or not at all: one that a power cut left empty keeps the program from starting.
  return createSecretFile(home.configFile, `${[...head, ...lines].join('\n')}\n`);
}

async function readTable(
  settings: Settings,
  file: string,
  wrong: (error: unknown) => void,
): Promise<ReadonlyMap<string, unknown>> {
  let table: Map<string, unknown>;
  try {
    table = await readWholeTable(file);
  } catch (error) {
    wrong(error);
    return new Map();
  }
  const known = Object.keys(settings).map(optionName);
  for (const name of table.keys()) {
    if (known.includes(name)) continue;
    const words = `${file} sets ${JSON.stringify(name)}, which is not a setting; there are ${known.join(', ')}`;
    wrong(new FilerError('configuration-invalid', words));
  }
  return table;
}

async function readWholeTable(file: string): Promise<Map<string, unknown>> {
  let text = await readText(file);
  for (let waitedMs = 0; text?.trim() === '' && waitedMs < BEING_WRITTEN_MS; waitedMs += LOOK_MS) {
    await delay(LOOK_MS);
    text = await readText(file);
  }
  if (text === undefined) return new Map();
  if (text.trim() === '') {
    throw new FilerError(
      'configuration-invalid',
      `${file} is empty: restore it; for the defaults remove it, or write a comment (#) into it`,
    );
  }
  return new Map(Object.entries(await parseToml(text, file)));
}

/** @returns undefined when there is none */
async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new FilerError('configuration-invalid', `cannot read ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function parseToml(text: string, file: string): Promise<Record<string, unknown>> {
  // Loaded here, since most homes and most commands never read one.
  const { parse, TomlError } = await import('smol-toml');
  try {
    return parse(text);
  } catch (error) {
    const where = error instanceof TomlError ? `, line ${error.line}` : '';
    const [what = ''] = messageOf(error).split('\n');
    throw new FilerError('configuration-invalid', `${file}${where} is not TOML: ${what}`, { cause: error });
  }
}

/** A value of the file as a person would type it in a flag. */
function textsOf(each: Setting<unknown>, value: unknown, label: string): string[] {
  const values: unknown[] = Array.isArray(value) && each.isList ? value : [value];
  return values.map((item) => {
    if (typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean')
      return String(item);
    throw new FilerError(
      'configuration-invalid',
      `${label} has a value of the wrong type, see ${each.example}`,
    );
  });
}

/** A wrong value that no one typed just now is not a usage error. */
function invalidIfWrong<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError('configuration-invalid', error.message, { cause: error });
  }
}
