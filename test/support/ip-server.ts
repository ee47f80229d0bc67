import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../apps/ip-server/bin/ip-server.js', import.meta.url));

/** How a command ended. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A fresh home folder for one test. */
export function freshHome(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'filer-test-'));
}

/** Runs one command of the real program to its end. */
export async function ipServer(
  home: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Finished> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, ...env, IP_SERVER_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: stdout(), stderr: stderr() };
}

/** The same with `--json`; what it printed, parsed. */
export async function ipServerJson(home: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await ipServer(home, [...args, '--json']);
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (line === '')
    throw new Error(`ip-server ${args.join(' ')} printed nothing on standard output: ${stderr}`);
  return JSON.parse(line) as Record<string, unknown>;
}

/** A running `ip-server start`, on a free port of 127.0.0.1. */
export class RunningServer implements AsyncDisposable {
  readonly home: string;
  readonly child: ChildProcess;
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly #stderr: () => string;

  private constructor(home: string, child: ChildProcess, ready: Ready, stderr: () => string) {
    this.home = home;
    this.child = child;
    this.id = ready.id;
    const at = ready.listen.lastIndexOf(':');
    this.host = ready.listen.slice(0, at).replace(/^\[|\]$/g, '');
    this.port = Number(ready.listen.slice(at + 1));
    this.#stderr = stderr;
  }

  /** Resolves when it is ready. @param args beside `start --host 127.0.0.1 --port 0 --json` */
  static async start(args: readonly string[] = [], home?: string, port = 0): Promise<RunningServer> {
    const folder = home ?? (await freshHome());
    const child = spawn(
      process.execPath,
      [PROGRAM, 'start', '--host', '127.0.0.1', '--port', String(port), '--json', ...args],
      { env: { ...process.env, IP_SERVER_HOME: folder }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const stderr = collect(child.stderr);
    const lines = createInterface({ input: child.stdout });
    const first = once(lines, 'line').then(([line]) => JSON.parse(String(line)) as Ready);
    const ended = once(child, 'close').then(() => {
      throw new Error(`ip-server start ended: ${stderr()}`);
    });
    const ready = await Promise.race([first, ended]);
    ended.catch(() => undefined);
    return new RunningServer(folder, child, ready, stderr);
  }

  /** What it logged so far. */
  get log(): string {
    return this.#stderr();
  }

  /** Runs a command beside it. */
  run(...args: string[]): Promise<Finished> {
    return ipServer(this.home, args);
  }

  json(...args: string[]): Promise<Record<string, unknown>> {
    return ipServerJson(this.home, ...args);
  }

  /** A link, as `ip-server invite` prints it. */
  async invite(...args: string[]): Promise<string> {
    const { stdout, stderr } = await this.run('invite', ...args);
    if (!stdout.startsWith('filer://')) throw new Error(`no invite: ${stderr}`);
    return stdout.trim();
  }

  /** Ends it and waits. @returns its exit code, null after SIGKILL */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const closed = once(this.child, 'close');
      this.child.kill(signal);
      await closed;
    }
    return this.child.exitCode;
  }

  /** The same home and port again, after `stop`. */
  again(args: readonly string[] = []): Promise<RunningServer> {
    return RunningServer.start(args, this.home, this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

interface Ready {
  readonly type: string;
  readonly id: string;
  readonly listen: string;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (piece: string) => (text += piece));
  return () => text;
}
