import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { FilerError } from '@filer/protocol';
import type { Context } from '../command.ts';
import { homeVariables } from './place.ts';
import { isBootedBySystemd } from './service-manager.ts';
import type { Scope } from './unit.ts';

/** Where no systemd answers: why, and exactly what to type instead. */
export function withoutSystemd(
  context: Pick<Context, 'program' | 'env' | 'home' | 'bin'>,
  scope: Scope,
  problem: string,
): FilerError {
  const { program } = context;
  if (scope === 'user' && isBootedBySystemd())
    return new FilerError(
      'unsupported',
      `the systemd of this user does not answer (${problem}): run \`sudo loginctl enable-linger ${userInfo().username}\`, then \`${program} service install\``,
    );
  const { now, atBoot } = byHand(context);
  return new FilerError(
    'unsupported',
    `no systemd runs here (${problem}); to start ${program} now: ${now}   and with the machine: ${atBoot}`,
  );
}

function byHand(context: Pick<Context, 'program' | 'env' | 'home' | 'bin'>): { now: string; atBoot: string } {
  const { home, bin } = context;
  const variables = Object.entries(homeVariables(context)).map(([name, value]) => `${name}=${word(value)}`);
  const start = [
    word(process.execPath),
    word(bin),
    'start',
    '>>',
    word(join(dirname(home.lockFile), 'log')),
    '2>&1',
  ];
  const line = ['@reboot', ...variables, ...start].join(' ').replaceAll('%', '\\%');
  return {
    now: [...variables, 'nohup', ...start, '&'].join(' '),
    atBoot: `(crontab -l 2>/dev/null; echo ${word(line)}) | crontab -`,
  };
}

/** As a shell takes it for one word. */
function word(text: string): string {
  return /^[A-Za-z0-9_./:@+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
