import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { FilerError } from '@filer/protocol';
import type { Context } from '../command.ts';
import { homeVariables } from './place.ts';
import { isBootedBySystemd } from './service-manager.ts';

/** This machine has no systemd at all: its user starts the program in another way. */
export class NoSystemdError extends FilerError {
  constructor() {
    super('unsupported', 'no systemd runs on this machine, so no service was installed');
  }
}

/** Why no systemd answers. @param problem as systemctl says it */
export function withoutSystemd(program: string, problem: string): FilerError {
  if (!isBootedBySystemd(problem)) return new NoSystemdError();
  return new FilerError(
    'unsupported',
    `the systemd of this user does not answer (${problem}): run \`sudo loginctl enable-linger ${userInfo().username}\`, then \`${program} service install\``,
  );
}

/** Exactly what to type on a machine without systemd. */
export function wordsByHand(context: Pick<Context, 'program' | 'env' | 'home' | 'bin'>): string {
  const { home, bin } = context;
  const variables = Object.entries(homeVariables(context)).map(([name, value]) => `${name}=${word(value)}`);
  const folder = dirname(home.lockFile);
  const start = [word(process.execPath), word(bin), 'start', '>>', word(join(folder, 'log')), '2>&1'];
  const prepared = existsSync(folder) ? '' : `mkdir -p ${word(folder)} && `;
  const line = ['@reboot', ...variables, ...start].join(' ').replaceAll('%', '\\%');
  return [
    'Without systemd, start it now with:',
    `  ${prepared}${[...variables, 'nohup', ...start, '&'].join(' ')}`,
    'and at each start of the machine with:',
    `  (crontab -l 2>/dev/null; echo ${word(line)}) | crontab -`,
  ].join('\n');
}

/** As a shell takes it for one word. */
function word(text: string): string {
  return /^[A-Za-z0-9_./:@+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
