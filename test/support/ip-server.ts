import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHostPort } from '@filer/protocol';
import { onTestFinished } from 'vitest';
import { runHere } from './in-process.ts';
import { DaemonProcess, ProgramProcess, type Outcome } from './programs.ts';

/** A fresh folder for one test, removed at its end. */
export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'filer-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs one command to its end, in this process. */
export function ipServer(home: string, ...args: string[]): Promise<Outcome> {
  return runHere('ip-server', home, args);
}

/** The same with `--json`: the last line of what it printed, parsed. */
export async function ipServerJson(home: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await ipServer(home, ...args, '--json');
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (line === '')
    throw new Error(`ip-server ${args.join(' ')} printed nothing on standard output: ${stderr}`);
  return JSON.parse(line) as Record<string, unknown>;
}

/** A running `ip-server start` on a port of 127.0.0.1, with commands beside it. */
export class RunningServer implements AsyncDisposable {
  readonly home: string;
  readonly daemon: DaemonProcess;
  readonly id: string;
  readonly host: string;
  readonly port: number;

  private constructor(home: string, daemon: DaemonProcess) {
    this.home = home;
    this.daemon = daemon;
    this.id = String(daemon.ready['id']);
    ({ host: this.host, port: this.port } = parseHostPort(String(daemon.ready['listen'])));
  }

  /**
   * Resolves when it is ready.
   *
   * @param args beside `--host 127.0.0.1 --port`
   * @param home @default a fresh one; the caller removes it
   * @param port @default a free one
   */
  static async start(args: readonly string[] = [], home?: string, port = 0): Promise<RunningServer> {
    const folder = home ?? (await mkdtemp(join(tmpdir(), 'filer-test-')));
    const where = ['--host', '127.0.0.1', '--port', String(port)];
    return new RunningServer(folder, await DaemonProcess.start('ip-server', [...where, ...args], folder));
  }

  /** Runs a command beside it. */
  run(...args: string[]): Promise<Outcome> {
    return ipServer(this.home, ...args);
  }

  /** Starts a command beside it. */
  follow(...args: string[]): ProgramProcess {
    return new ProgramProcess('ip-server', args, this.home);
  }

  json(...args: string[]): Promise<Record<string, unknown>> {
    return ipServerJson(this.home, ...args);
  }

  /** What `peers --json` says of one machine. */
  async peer(name: string): Promise<Record<string, unknown> | undefined> {
    const { peers } = (await this.json('peers', '--all')) as { peers: Record<string, unknown>[] };
    return peers.find((peer) => peer['name'] === name);
  }

  /** What `reports --json` lists. */
  async reports(...args: string[]): Promise<Record<string, unknown>[]> {
    return ((await this.json('reports', ...args)) as { reports: Record<string, unknown>[] }).reports;
  }

  /** A link, as `ip-server invite` prints it. */
  async invite(...args: string[]): Promise<string> {
    const { stdout, stderr } = await this.run('invite', ...args);
    if (!stdout.startsWith('filer://')) throw new Error(`no invite: ${stderr}`);
    return stdout;
  }

  /** Ends it with a signal. @returns exit code or signal */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    return this.daemon.stop(signal);
  }

  /** The same home and port again, after `stop`. */
  again(args: readonly string[] = []): Promise<RunningServer> {
    return RunningServer.start(args, this.home, this.port);
  }

  /** Ends it and removes its home. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.home, { recursive: true, force: true });
  }
}
