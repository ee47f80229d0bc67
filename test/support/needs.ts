import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { TestRunner } from 'vitest';
import { postgresPrograms } from './postgres-cluster.ts';

/** Programs a test may lean on that a machine with only git and npm lacks, and the Debian package of each. */
const PROGRAMS = {
  bash: 'bash',
  chromium: 'chromium',
  etcd: 'etcd-server',
  fish: 'fish',
  ip: 'iproute2',
  mandoc: 'mandoc',
  'mkfs.ext4': 'e2fsprogs',
  nft: 'nftables',
  openssl: 'openssl',
  patroni: 'patroni',
  ps: 'procps',
  python3: 'python3',
  setpriv: 'util-linux',
  strace: 'strace',
  'systemd-analyze': 'systemd',
  tc: 'iproute2',
  tmux: 'tmux',
  unshare: 'util-linux',
  zsh: 'zsh',
} as const;

type Program = keyof typeof PROGRAMS;

declare module 'vitest' {
  interface TaskMeta {
    /** What tests of this file asked for and the machine lacks, in words. */
    missing?: string[];
  }
}

/**
 * Whether a test must be skipped because this machine lacks one of `programs`: for
 * `test.skipIf(needs('python3'))`. The run's last lines say what was missing.
 *
 * @throws Error instead, when FILER_TEST_REQUIRE_ALL is set: there nothing may be skipped
 */
export function needs(...programs: Program[]): boolean {
  const missing = programs.filter((program) => !isInPath(program));
  return missing
    .map((program) => report(`${program} (Debian package ${PROGRAMS[program]})`))
    .some((absent) => absent);
}

/** The same for tests that must run as root. */
needs.root = (): boolean => process.getuid?.() !== 0 && report('root');

/** The same for tests that make network namespaces: root with CAP_SYS_ADMIN, and the program `ip`. */
needs.namespaces = (): boolean => needs('ip') || (!maySetUpNamespaces() && report('root namespaces'));

/** The same for tests of the PostgreSQL store: a server of their own. */
needs.postgres = (): boolean =>
  needs('setpriv') || (postgresPrograms() === undefined && report('PostgreSQL (Debian package postgresql)'));

/** The same for tests of files that only a file system in memory can hold. */
needs.sharedMemory = (): boolean => !existsSync('/dev/shm') && report('a file system at /dev/shm');

function report(what: string): true {
  if (process.env['FILER_TEST_REQUIRE_ALL']) {
    throw new Error(`this run may skip nothing, and this machine lacks ${what}`);
  }
  const { meta } = TestRunner.getCurrentSuite().file;
  meta.missing = [...new Set([...(meta.missing ?? []), what])];
  return true;
}

function isInPath(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => isExecutableFile(join(folder, program)));
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** CAP_SYS_ADMIN, bit 21 of the effective set: root in a container often lacks it. */
function maySetUpNamespaces(): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return effective !== undefined && ((BigInt(`0x${effective}`) >> 21n) & 1n) === 1n;
  } catch {
    return false;
  }
}
