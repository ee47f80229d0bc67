import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';

const CLOCK_TICKS_PER_SECOND = 100;

/** The folder of one run and the programs that serve in it; disposed of, both are gone. */
export class Stage implements AsyncDisposable {
  readonly folder: string;
  readonly #serving: ChildProcess[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), 'filer-bench-')));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Starts a program that serves until the end. */
  serve(command: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options });
    this.#serving.push(child);
    return child;
  }

  /** Seconds of processor time so far: of what serves, with its children, and of what has run to its end. */
  cpuSeconds(): number {
    const ticks = this.#serving.map(({ pid = 0 }) => ticksOf(`/proc/${pid}/stat`, [11, 12, 13, 14]));
    const ended = ticksOf('/proc/self/stat', [13, 14]);
    return ticks.reduce((sum, each) => sum + each, ended) / CLOCK_TICKS_PER_SECOND;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#serving.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    }
    await rm(this.folder, { recursive: true });
  }
}

/** Fields of a process's stat file, counted from the one after its state. */
function ticksOf(file: string, fields: readonly number[]): number {
  const text = readFileSync(file, 'utf8');
  const values = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields.reduce((sum, field) => sum + Number(values[field]), 0);
}

/** Runs a program to its end. @returns what it wrote @throws when it fails */
export async function run(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'close');
  const [output, errors] = await Promise.all([readAll(child.stdout), readAll(child.stderr)]);
  await exited;
  if (child.exitCode !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${child.exitCode}: ${errors}`);
  return output;
}

export async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the output is piped');
  const lines = createInterface({ input: child.stdout });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('it ended before it was ready')));
  ended.catch(() => undefined); // what serves ends some day
  const args: unknown[] = await Promise.race([once(lines, 'line'), ended]);
  child.stdout.resume();
  return String(args[0]);
}

/** Highest resident memory so far, in MB. */
export function peakMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return (Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024) / 1e6;
}

/** Where a program is installed, if it is. */
export function installed(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that was free just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('it listens on a port');
  return address.port;
}
