/** The variables of the process, or what a test hands over instead. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The commands that share this package. */
export type ProgramName = 'filer-client' | 'ip-server';

/** The environment of this process; read nowhere else, so that every setting has one way in. */
export function processEnvironment(): Environment {
  return process.env;
}

/** `FILER_` and `IP_SERVER_`: what the variables of a command begin with. */
export function environmentPrefix(program: ProgramName): string {
  return program === 'filer-client' ? 'FILER_' : 'IP_SERVER_';
}

/** The variable of a setting: `FILER_INBOX_QUOTA`. */
export function settingVariable(program: ProgramName, setting: string): string {
  return `${environmentPrefix(program)}${setting.toUpperCase().replaceAll('-', '_')}`;
}

/** The value of a variable; one that is set to nothing counts as not set. */
export function variable(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}
