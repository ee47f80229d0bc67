import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { messageOf } from '@filer/protocol';
import type { Environment } from '../environment.ts';
import type { Scope } from './unit.ts';

/** Stopping a service waits for it. */
const CALL_TIMEOUT_MS = 120_000;

interface Answer {
  readonly ok: boolean;
  readonly stdout: string;
  /** What it said against it, on one line. */
  readonly problem: string;
}

/** The systemd of this user, or of this machine. */
export class ServiceManager {
  readonly #scope: Scope;
  readonly #env: Environment;

  private constructor(scope: Scope, env: Environment) {
    this.#scope = scope;
    this.#env = env;
  }

  /** @returns why it cannot be asked, in words, where there is none */
  static async reach(scope: Scope, env: Environment): Promise<ServiceManager | string> {
    const manager = new ServiceManager(scope, withRuntimeFolder(scope, env));
    const { ok, problem } = await manager.call('show', '--property=Version');
    return ok ? manager : problem;
  }

  /** Never rejects: what fails says so. */
  call(...args: readonly string[]): Promise<Answer> {
    return run('systemctl', [...(this.#scope === 'user' ? ['--user'] : []), ...args], this.#env);
  }

  /** Lets services of this user run while it is not logged in. @returns whether they do */
  async linger(): Promise<boolean> {
    return (await run('loginctl', ['--no-ask-password', 'enable-linger'], this.#env)).ok;
  }
}

/** Whether systemd runs this machine, and only does not answer this user. @param problem as systemctl says it */
export function isBootedBySystemd(problem: string): boolean {
  return !/booted with systemd|ENOENT/.test(problem) && existsSync('/run/systemd/system');
}

/** After `su` or `sudo` nothing says where the systemd of the user is. */
function withRuntimeFolder(scope: Scope, env: Environment): Environment {
  const folder = `/run/user/${process.getuid?.() ?? 0}`;
  if (scope === 'system' || (env['XDG_RUNTIME_DIR'] ?? '') !== '' || !existsSync(folder)) return env;
  return { ...env, XDG_RUNTIME_DIR: folder };
}

function run(program: string, args: readonly string[], env: Environment): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: CALL_TIMEOUT_MS, encoding: 'utf8' }, (error, stdout, stderr) => {
      const said = stderr.trim().split('\n')[0] ?? '';
      const problem = error === null ? '' : said === '' ? messageOf(error) : said;
      resolve({ ok: error === null, stdout: stdout.trim(), problem });
    });
  });
}
