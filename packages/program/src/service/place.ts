import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import type { Context } from '../command.ts';
import { environmentPrefix, variable } from '../environment.ts';
import { userFolders } from '../user-folders.ts';
import type { Scope } from './unit.ts';

const SYSTEM_UNITS = '/etc/systemd/system';

/** A service of the machine for root, else one of the user. */
export function scopeOf({ user }: { readonly user: boolean }): Scope {
  return !user && process.getuid?.() === 0 ? 'system' : 'user';
}

/** Where the unit of a program is; systemd's own variable names other folders for units. */
export function unitFile({ program, env }: Pick<Context, 'program' | 'env'>, scope: Scope): string {
  // Systemd's folder stands beside those of programs.
  const config = userFolders('systemd', env)?.config ?? join('/', '.config', 'systemd');
  const [named] = variable(env, 'SYSTEMD_UNIT_PATH')?.split(':') ?? [];
  const folder = scope === 'system' ? SYSTEM_UNITS : join(config, 'user');
  return join(named ?? folder, `${program}.service`);
}

/** The variables that decide where the home is, and that a service would not have. */
export function homeVariables({ program, env }: Pick<Context, 'program' | 'env'>): Record<string, string> {
  const name = `${environmentPrefix(program)}HOME`;
  const home = variable(env, name);
  if (home !== undefined) return { [name]: resolve(home) };
  const own = ownHome();
  return Object.fromEntries(
    ['HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME'].flatMap((key) => {
      const value = variable(env, key);
      return value === undefined || (key === 'HOME' && value === own) ? [] : [[key, value] as const];
    }),
  );
}

/** Settings that stand in variables of this shell, which a service does not have. */
export function lostVariables({ program, env }: Pick<Context, 'program' | 'env'>): string[] {
  const prefix = environmentPrefix(program);
  return Object.keys(env).filter((name) => name.startsWith(prefix) && name !== `${prefix}HOME`);
}

function ownHome(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    return undefined; // a user that the system does not list
  }
}
