import type { ProgramName } from '../environment.ts';

/** A systemd of this user, or the machine's. */
export type Scope = 'user' | 'system';

export interface UnitOptions {
  readonly program: ProgramName;
  readonly version: string;
  readonly scope: Scope;
  /** Node and the program's own file, absolute: a service has another PATH than a shell. */
  readonly command: readonly string[];
  /** What decides where the home is. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of a service of the machine: as whom it runs. */
  readonly user: string;
}

/** What a unit of ours begins with. */
const MARK = '# Written by `';

const DESCRIPTIONS: Readonly<Record<ProgramName, string>> = {
  'filer-client': 'filer-client, this machine in its filer network',
  'ip-server': 'ip-server of a filer network',
};

/**
 * What needs no namespace: a systemd of a user has none on many machines. Files of the user must stay readable and writable,
 * since they are sent and received, and so must /tmp.
 */
const HARDENED = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
];

const HARDENED_SYSTEM = [
  ...HARDENED,
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
];

/** A server writes its home and what it collects. A client also fetches to wherever its user says, and runs reports on devices. */
const HARDENED_SERVER = ['PrivateDevices=yes', 'ProtectSystem=full'];

/** The text of a unit. It holds the version, so that an upgrade is a change. */
export function unitText({ program, version, scope, command, environment, user }: UnitOptions): string {
  const isSystem = scope === 'system';
  const edit = isSystem ? 'systemctl edit' : 'systemctl --user edit';
  const network = isSystem ? ['Wants=network-online.target', 'After=network-online.target'] : [];
  const hardened = isSystem ? HARDENED_SYSTEM : HARDENED;
  return [
    `${MARK}${program} service install\` (${version}), which replaces it. For changes of your own: ${edit} ${program}`,
    '[Unit]',
    `Description=${DESCRIPTIONS[program]}`,
    ...network,
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${commandLine([...command, 'start'])}`,
    ...(isSystem ? [`User=${user}`] : []),
    ...environmentLines(environment),
    '# Exit codes when it is stopped by a signal.',
    'SuccessExitStatus=130 143',
    'Restart=on-failure',
    'RestartSec=5',
    '# Another start does not help after a wrong command line, before this machine has joined, and after it was removed.',
    'RestartPreventExitStatus=2 3 6',
    '# Its own children are ended by it.',
    'KillMode=mixed',
    'LimitNOFILE=32768',
    ...hardened,
    ...(isSystem && program === 'ip-server' ? HARDENED_SERVER : []),
    '',
    '[Install]',
    `WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}`,
    '',
  ].join('\n');
}

/** Whether `service install` has written a unit, and may replace or remove it. */
export function isOwnUnit(text: string): boolean {
  return text.startsWith(MARK);
}

/** Whether two units are of one home. */
export function isOfSameHome(one: string, other: string): boolean {
  const homeOf = (text: string): string =>
    text
      .split('\n')
      .filter((line) => line.startsWith('Environment='))
      .join('\n');
  return homeOf(one) === homeOf(other);
}

function environmentLines(environment: UnitOptions['environment']): string[] {
  return Object.entries(environment).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`);
}

/** Systemd refuses quotes and backslashes in the name of what it runs, and puts no variables there. */
function commandLine(command: readonly string[]): string {
  const [program = '', ...rest] = command;
  if (/["'\\]/.test(program)) return commandLine(['/usr/bin/env', ...command]);
  return [quoted(program), ...rest.map((word) => quoted(word).replaceAll('$', '$$$$'))].join(' ');
}

/** One word of a unit, in which `%` would stand for something else. */
function quoted(text: string): string {
  const escaped = text
    .replaceAll(/[\\"]/g, '\\$&')
    .replaceAll('%', '%%')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t');
  return `"${escaped}"`;
}
