import { statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { processEnvironment, variable, type Environment } from './environment.ts';

/** Where the programs of a user keep what, as the system has it. */
export interface UserFolders {
  readonly config: string;
  readonly data: string;
  readonly state: string;
  readonly inbox: string;
}

/**
 * The folders of a program of this user: on Linux those of the XDG base directories, elsewhere those of the system.
 *
 * @param name of the program's folders
 * @returns undefined where this user has no home folder and the environment does not name them all
 */
export function userFolders(name: string, env: Environment): UserFolders | undefined {
  const home = userHome(env);
  const below = (key: string, ...path: string[]): string | undefined => {
    const named = variable(env, key);
    // The specification has relative ones ignored.
    if (named !== undefined && isAbsolute(named)) return join(named, name);
    return home === undefined ? undefined : join(home, ...path, name);
  };
  const [config, data, state] = foldersBelow(below);
  if (config === undefined || data === undefined || state === undefined) return undefined;
  return { config, data, state, inbox: home === undefined ? join(data, 'inbox') : join(home, 'Filer') };
}

type Below = (variable: string, ...path: string[]) => string | undefined;

/** Of configuration, data and state. */
function foldersBelow(below: Below): [string | undefined, string | undefined, string | undefined] {
  if (process.platform === 'darwin') {
    const data = below('', 'Library', 'Application Support');
    return [below('', 'Library', 'Preferences'), data, data];
  }
  if (process.platform === 'win32') {
    const data = withPart(below('LOCALAPPDATA', 'AppData', 'Local'), 'Data');
    return [withPart(below('APPDATA', 'AppData', 'Roaming'), 'Config'), data, data];
  }
  return [
    below('XDG_CONFIG_HOME', '.config'),
    below('XDG_DATA_HOME', '.local', 'share'),
    below('XDG_STATE_HOME', '.local', 'state'),
  ];
}

function withPart(folder: string | undefined, part: string): string | undefined {
  return folder === undefined ? undefined : join(folder, part);
}

/** This user's home folder; undefined without HOME and without an entry in the system's list of users. */
function userHome(env: Environment = processEnvironment()): string | undefined {
  const sources = [
    () => (process.platform === 'win32' ? undefined : variable(env, 'HOME')),
    homedir,
    () => userInfo().homedir,
  ];
  for (const source of sources) {
    const folder = attempted(source);
    if (folder !== undefined && isAbsolute(folder)) return folder;
  }
  return undefined;
}

/** Where a command of this user works unless it is told otherwise: the home folder, or `/` where that is not there. */
export function userWorkFolder(): string {
  const home = userHome();
  if (home === undefined) return '/';
  return attempted(() => statSync(home).isDirectory()) === true ? home : '/';
}

/** The system throws where it knows nothing of this user. */
function attempted<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
