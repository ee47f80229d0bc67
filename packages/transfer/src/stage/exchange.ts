import { execFile } from 'node:child_process';
import { lstatSync, mkdirSync, rmSync, type BigIntStats } from 'node:fs';
import { arch, platform } from 'node:os';
import type { Folder } from '../disk/folder.ts';
import { STAGE_PREFIX } from '../disk/safe-path.ts';

/*
 * `renameat2` with RENAME_EXCHANGE gives two names to each other's files in one step, also where both are folders. Node cannot call
 * it, so a program of the system does: what is there of these. What they did is looked up, not believed.
 */

/** Numbers of the system call. */
const RENAMEAT2: Readonly<Record<string, number>> = {
  x64: 316,
  arm64: 276,
  riscv64: 276,
  loong64: 276,
  arm: 382,
  ppc64: 357,
  s390x: 347,
};

const PERL = 'exit(syscall($ARGV[0] + 0, -100, $ARGV[1], -100, $ARGV[2], 2) == 0 ? 0 : 1)';
const PYTHON = [
  'import ctypes, os, sys',
  'c = ctypes.CDLL(None)',
  'a, b = map(os.fsencode, sys.argv[1:])',
  'sys.exit(0 if (c.renamex_np(a, b, 2) if sys.platform == "darwin" else c.renameat2(-100, a, -100, b, 2)) == 0 else 1)',
].join('\n');

type Program = (a: string, b: string) => readonly [string, ...string[]];

const PROGRAMS: readonly Program[] = [
  ...(platform() === 'linux'
    ? [
        (a: string, b: string) => ['mv', '--exchange', '--no-target-directory', '--', a, b] as const,
        (a: string, b: string) => ['perl', '-e', PERL, String(RENAMEAT2[arch()] ?? -1), a, b] as const,
      ]
    : []),
  (a, b) => ['python3', '-I', '-S', '-c', PYTHON, a, b],
];

/** A program that is slower than this hangs, in ms. */
const TIMEOUT_MS = 30_000;

/** The one that did it last. */
let works: Program | undefined;

/**
 * Exchanges two paths in one step.
 *
 * @returns false where no program of this machine, or not its file system, can: then nothing has changed
 */
export async function exchange(a: string, b: string): Promise<boolean> {
  const before = identityAt(a);
  for (const program of works === undefined ? PROGRAMS : [works]) {
    await run(program(forOthers(a), forOthers(b)));
    if (identityAt(b) !== before) continue;
    works = program;
    return true;
  }
  return false;
}

/** Whether two folders in a folder can be exchanged: tried. @throws a system error */
export async function canExchange(folder: Folder): Promise<boolean> {
  const probe = `${STAGE_PREFIX}probe-${process.pid}`;
  const [a, b] = [folder.at(`${probe}-a`), folder.at(`${probe}-b`)];
  try {
    for (const path of [a, b]) mkdirSync(path, { recursive: true });
    return await exchange(a, b);
  } finally {
    for (const path of [a, b]) rmSync(path, { recursive: true, force: true });
  }
}

/** A path by a descriptor of this process, as other processes of this user know it. */
function forOthers(path: string): string {
  return path.startsWith('/proc/self/') ? `/proc/${process.pid}/${path.slice('/proc/self/'.length)}` : path;
}

function run([program, ...args]: readonly [string, ...string[]]): Promise<void> {
  return new Promise((resolve) => {
    // Not in the daemon's own folder: what is there may have come of others.
    execFile(program, args, { cwd: '/', timeout: TIMEOUT_MS, killSignal: 'SIGKILL' }, () => resolve());
  });
}

/** What has a name: device and inode, which a new name does not change; undefined for nothing. */
export function identityAt(path: string): string | undefined {
  const there: BigIntStats | undefined = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return there === undefined ? undefined : `${there.dev}:${there.ino}`;
}

/** What has a name, so that it is known again after a restart, when its disk may have another number; undefined for nothing. */
export function inodeAt(path: string): string | undefined {
  const there: BigIntStats | undefined = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return there === undefined ? undefined : `${there.ino}:${there.mode & 0o170000n}`;
}
