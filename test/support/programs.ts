import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { storeOfHome } from './engine.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bins = {
  'ip-server': join(root, 'apps/ip-server/bin/ip-server.js'),
  'filer-client': join(root, 'apps/filer-client/bin/filer-client.js'),
};
export type ProgramName = keyof typeof bins;

/** One JSON document that a program printed. */
export type Line = Readonly<Record<string, unknown>>;

/** What a command printed and how it ended. */
export interface Outcome {
  /** Null when a signal killed it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** What it reads on standard input. */
  readonly input?: string;
  /** Leaves standard input open: the test writes to it. @default false */
  readonly opensInput?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What stands before the command line, such as `ip netns exec NAME`. */
  readonly wrapper?: readonly string[];
  /** Folder of the commands of another installation. @default this repository's */
  readonly bin?: string;
}

/** A program started as a user starts it, from its file in `bin/`, with a home of its own. */
export class ProgramProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly home: string;
  /** Each line of standard output, parsed. */
  readonly lines: Line[] = [];
  stdout = '';
  stderr = '';
  /** When it has ended and all that it printed is here. */
  readonly ended: Promise<Outcome>;
  #hasEnded = false;
  readonly #waiting = new Set<() => void>();

  constructor(program: ProgramName, args: readonly string[], home: string, options: RunOptions = {}) {
    const { input = '', opensInput = false, env = {}, cwd, wrapper = [], bin } = options;
    const file = bin === undefined ? [process.execPath, bins[program]] : [join(bin, program)];
    const variable = program === 'ip-server' ? 'IP_SERVER_HOME' : 'FILER_HOME';
    const [command = process.execPath, ...rest] = [...wrapper, ...file, ...args];
    this.home = home;
    this.child = spawn(command, rest, {
      cwd,
      env: { ...process.env, IP_SERVER_HTTP_PORT: 'off', [variable]: home, ...env },
    });
    this.child.stdin.on('error', () => undefined); // a command that ends early does not read its input
    if (!opensInput) this.child.stdin.end(input);
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    createInterface({ input: this.child.stdout }).on('line', (text) => {
      if (text.startsWith('{')) this.lines.push(JSON.parse(text) as Line);
      this.#wake();
    });
    this.ended = once(this.child, 'close').then(() => {
      this.#hasEnded = true;
      this.#wake();
      return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
    });
  }

  /** The first JSON line on standard output, past or to come, that fits. @throws Error when it ends without */
  line(fits: (line: Line) => boolean): Promise<Line> {
    return this.#until(() => this.lines.find(fits));
  }

  /** The first JSON line of a type. */
  typed(type: string): Promise<Line> {
    return this.line((line) => line['type'] === type);
  }

  /** Resolves when standard error has said it so many times. @throws Error when it ends without */
  async said(words: string | RegExp, times = 1): Promise<void> {
    await this.#until(() => (this.count(words) >= times ? true : undefined));
  }

  /** How often standard error has said it. */
  count(words: string | RegExp): number {
    if (typeof words === 'string') return this.stderr.split(words).length - 1;
    return [...this.stderr.matchAll(new RegExp(words.source, 'gm'))].length;
  }

  /** Ends it with a signal and waits for its end. @returns exit code or signal */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    if (!this.#hasEnded) this.child.kill(signal);
    await this.ended;
    return this.child.exitCode ?? this.child.signalCode;
  }

  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#hasEnded) {
        const how = this.child.exitCode ?? this.child.signalCode;
        throw new Error(`the program ended (${how}) without it: ${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

/** Runs a command to its end. */
export function runProgram(
  program: ProgramName,
  args: readonly string[],
  home: string,
  options: RunOptions = {},
): Promise<Outcome> {
  return new ProgramProcess(program, args, home, options).ended;
}

/** The JSON lines of an outcome. */
export function jsonLines({ stdout }: Pick<Outcome, 'stdout'>): Line[] {
  return stdout
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Line);
}

/** A daemon that is ready. Its output is kept line by line. */
export class DaemonProcess extends ProgramProcess {
  /** The ready line. */
  ready: Line = {};

  /** @throws Error with what it printed when it ends before it is ready */
  static async start(
    program: ProgramName,
    args: readonly string[],
    home: string,
    options: RunOptions = {},
  ): Promise<DaemonProcess> {
    const store = program === 'ip-server' ? await storeOfHome(home) : undefined;
    const at = store === undefined ? {} : { IP_SERVER_STORE: store };
    const env = { ...at, ...options.env };
    const daemon = new DaemonProcess(program, ['start', '--json', ...args], home, { ...options, env });
    daemon.ready = await daemon.typed('ready');
    return daemon;
  }

  /** `host:port` where it listens. */
  get listen(): string {
    return String(this.ready['listen']);
  }

  get port(): number {
    return Number(this.listen.split(':').at(-1));
  }

  get id(): string {
    return String(this.ready['id']);
  }
}

/** Programs of a home in `folder` that still run: their process ids. Linux only; empty elsewhere. */
export async function runningIn(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^[0-9]+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      return environment.includes(`_HOME=${folder}/`) ? Number(pid) : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}
