import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { lstatSync, mkdirSync, rmSync, type BigIntStats } from 'node:fs';
import { arch, platform } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { Folder } from '../disk/folder.ts';
import { STAGE_PREFIX } from '../disk/safe-path.ts';

/*
 * `renameat2` with RENAME_EXCHANGE gives two names to each other's files in one step, also where both are folders. Node cannot call
 * it, so a program of the system does: what is there of these. What they did is looked up, not believed.
 *
 * A program reads a line for each pair, two paths in hex, and answers with a byte once it has tried. The next line follows the
 * answer: a daemon that is killed leaves no pair behind that is exchanged later. On Linux the paths are those of its own descriptors,
 * which end with it.
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

const PERL = [
  '$| = 1;',
  'while (<STDIN>) {',
  "  my ($a, $b) = map { pack 'H*', $_ } split;",
  '  print syscall($ARGV[0] + 0, -100, $a, -100, $b, 2) == 0 ? 1 : 0;',
  '}',
].join('\n');

const PYTHON = [
  'import ctypes, sys',
  'c = ctypes.CDLL(None)',
  'for line in iter(sys.stdin.readline, ""):',
  '  a, b = map(bytes.fromhex, line.split())',
  '  r = c.renamex_np(a, b, 2) if sys.platform == "darwin" else c.renameat2(-100, a, -100, b, 2)',
  '  sys.stdout.write("1" if r == 0 else "0")',
  '  sys.stdout.flush()',
].join('\n');

type Command = readonly [program: string, ...args: string[]];

/** Programs that exchange one pair after the other. */
const SERVING: readonly Command[] = [
  ...(platform() === 'linux' ? [['perl', '-e', PERL, String(RENAMEAT2[arch()] ?? -1)] as const] : []),
  ['python3', '-I', '-S', '-c', PYTHON],
];

/** Where there is none of them: a process for each pair. */
const FOR_ONE = ['mv', '--exchange', '--no-target-directory', '--'] as const;

/** A program that is slower than this hangs, in ms. */
const TIMEOUT_MS = 30_000;

/** Not in the daemon's own folder: what is there may have come of others. */
const WORKING_FOLDER = '/';

/** The number of the one that did it last. */
let works = 0;

/** Exchanges pairs of paths, one after the other, by one program for all of them. */
export class Exchanger implements Disposable {
  #serving: Serving | undefined;
  /** Which of the programs serves; those before it cannot. */
  #number = works;

  /**
   * Exchanges two paths in one step.
   *
   * @returns false where no program of this machine, or not its file system, can: then nothing has changed
   */
  async exchange(a: string, b: string): Promise<boolean> {
    const before = identityAt(a);
    const isDone = (): boolean => identityAt(b) === before;
    const [from, to] = [forOthers(a), forOthers(b)];
    for (let tried = 0; tried < SERVING.length; tried++) {
      const command = SERVING[this.#number % SERVING.length];
      this.#serving ??= command === undefined ? undefined : new Serving(command);
      await this.#serving?.exchange(from, to);
      if (isDone()) {
        works = this.#number % SERVING.length;
        return true;
      }
      this[Symbol.dispose]();
      this.#number++;
    }
    if (platform() === 'linux') await run([...FOR_ONE, from, to]);
    return isDone();
  }

  /** May be used again. */
  [Symbol.dispose](): void {
    this.#serving?.end();
    this.#serving = undefined;
  }
}

/** A program that runs, and is asked about one pair at a time. */
class Serving {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  #answered = (): void => undefined;
  #isOver = false;

  constructor([program, ...args]: Command) {
    this.#child = spawn(program, args, { cwd: WORKING_FOLDER, stdio: ['pipe', 'pipe', 'ignore'] });
    const { stdin, stdout } = this.#child;
    const over = (): void => {
      this.#isOver = true;
      this.#answered();
    };
    this.#child.on('error', over);
    this.#child.on('close', over);
    stdin.on('error', () => undefined); // it has ended, which is heard there
    stdout.on('data', () => this.#answered());
  }

  /** Resolves when it has tried, or has ended. */
  async exchange(a: string, b: string): Promise<void> {
    if (this.#isOver) return;
    const answered = new Promise<void>((resolve) => (this.#answered = resolve));
    const hangs = setTimeout(() => this.#child.kill('SIGKILL'), TIMEOUT_MS);
    this.#child.stdin.write(`${inHex(a)} ${inHex(b)}\n`);
    await answered;
    clearTimeout(hangs);
  }

  end(): void {
    this.#child.stdin.end();
  }
}

/** Whether two folders in a folder can be exchanged: tried. @throws a system error */
export async function canExchange(folder: Folder): Promise<boolean> {
  const probe = `${STAGE_PREFIX}probe-${process.pid}`;
  const [a, b] = [folder.at(`${probe}-a`), folder.at(`${probe}-b`)];
  try {
    for (const path of [a, b]) mkdirSync(path, { recursive: true });
    using exchanger = new Exchanger();
    return await exchanger.exchange(a, b);
  } finally {
    for (const path of [a, b]) rmSync(path, { recursive: true, force: true });
  }
}

function inHex(path: string): string {
  return Buffer.from(path).toString('hex');
}

/** A path by a descriptor of this process, as other processes of this user know it. */
function forOthers(path: string): string {
  return path.startsWith('/proc/self/') ? `/proc/${process.pid}/${path.slice('/proc/self/'.length)}` : path;
}

function run([program, ...args]: Command): Promise<void> {
  return new Promise((resolve) => {
    const options = { cwd: WORKING_FOLDER, timeout: TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
    execFile(program, args, options, () => resolve());
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
