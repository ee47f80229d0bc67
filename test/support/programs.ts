import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bins = {
  'ip-server': join(root, 'apps/ip-server/bin/ip-server.js'),
  'filer-client': join(root, 'apps/filer-client/bin/filer-client.js'),
};
export type ProgramName = keyof typeof bins;

/** What a command printed and how it ended. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program started as a user starts it, from its file in `bin/`, with a home of its own. */
export function startProgram(
  program: ProgramName,
  args: readonly string[],
  home: string,
  env: Record<string, string> = {},
): ChildProcessWithoutNullStreams {
  const variable = program === 'ip-server' ? 'IP_SERVER_HOME' : 'FILER_HOME';
  return spawn(process.execPath, [bins[program], ...args], {
    env: { ...process.env, [variable]: home, ...env },
  });
}

/** Runs a command to its end. */
export async function runProgram(
  program: ProgramName,
  args: readonly string[],
  home: string,
  { input = '', env = {} }: { input?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const child = startProgram(program, args, home, env);
  child.stdin.on('error', () => undefined); // a command that ends early does not read its input
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    readAll(child.stdout),
    readAll(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** A daemon that is ready. Its output is kept line by line. */
export class DaemonProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly home: string;
  /** The ready line. */
  ready: Record<string, unknown> = {};
  readonly lines: Record<string, unknown>[] = [];
  stderr = '';
  #wake: (() => void) | undefined;

  private constructor(child: ChildProcessWithoutNullStreams, home: string) {
    this.child = child;
    this.home = home;
  }

  /** @throws Error with what it printed when it ends before it is ready */
  static async start(
    program: ProgramName,
    args: readonly string[],
    home: string,
    env: Record<string, string> = {},
  ): Promise<DaemonProcess> {
    const child = startProgram(program, ['start', '--json', ...args], home, env);
    const daemon = new DaemonProcess(child, home);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      daemon.stderr += text;
      daemon.#wake?.();
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      daemon.lines.push(JSON.parse(line) as Record<string, unknown>);
      daemon.#wake?.();
    });
    child.once('exit', () => daemon.#wake?.());
    daemon.ready = await daemon.line((line) => line['type'] === 'ready');
    return daemon;
  }

  /** The first line on standard output, past or to come, that fits. */
  line(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
    return this.#until(() => this.lines.find(fits));
  }

  /** Resolves when standard error has said it. */
  async said(words: string | RegExp): Promise<string> {
    return this.#until(() => {
      const found = typeof words === 'string' ? this.stderr.includes(words) : words.test(this.stderr);
      return found ? this.stderr : undefined;
    });
  }

  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`the daemon ended (${this.child.exitCode ?? this.child.signalCode}): ${this.stderr}`);
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Ends it with a signal. @returns exit code or signal */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    return child.exitCode ?? child.signalCode;
  }
}

/** A network of one ip-server and any number of clients in a temporary folder; `close` ends and removes all. */
export class TestNetwork {
  readonly folder: string;
  readonly serverHome: string;
  server: DaemonProcess | undefined;
  readonly #daemons: DaemonProcess[] = [];
  #serverPort = '0';

  private constructor(folder: string) {
    this.folder = folder;
    this.serverHome = join(folder, 'server');
  }

  static async open(options: { serverArgs?: readonly string[] } = {}): Promise<TestNetwork> {
    const network = new TestNetwork(await mkdtemp(join(tmpdir(), 'filer-test-')));
    await network.startServer(options.serverArgs);
    return network;
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  /** Starts the server, after a stop on the same port. */
  async startServer(args: readonly string[] = []): Promise<DaemonProcess> {
    const fast = ['--broadcast-interval', '100ms', '--report-interval', '500ms'];
    const where = ['--host', '127.0.0.1', '--port', this.#serverPort];
    this.server = await DaemonProcess.start('ip-server', [...where, ...fast, ...args], this.serverHome);
    this.#serverPort = String(this.server.ready['listen']).split(':').at(-1) ?? '0';
    this.#daemons.push(this.server);
    return this.server;
  }

  async invite(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runProgram('ip-server', ['invite', ...args], this.serverHome);
    if (code !== 0) throw new Error(`invite failed: ${stderr}`);
    return stdout;
  }

  /** Joins a machine by an invite of its own. */
  async join(name: string, ...inviteArgs: string[]): Promise<string> {
    const home = this.home(name);
    const { code, stderr } = await this.client(
      name,
      ['join', '-', '--name', name],
      await this.invite(...inviteArgs),
    );
    if (code !== 0) throw new Error(`join failed: ${stderr}`);
    return home;
  }

  async startClient(name: string, args: readonly string[] = []): Promise<DaemonProcess> {
    const daemon = await DaemonProcess.start(
      'filer-client',
      ['--listen', '127.0.0.1:0', ...args],
      this.home(name),
    );
    this.#daemons.push(daemon);
    await daemon.said('connected to the ip-server');
    return daemon;
  }

  /** Runs a client's command. */
  client(name: string, args: readonly string[], input = ''): Promise<Outcome> {
    return runProgram('filer-client', args, this.home(name), { input });
  }

  /** Runs a client's command with `--json`. @returns every line of standard output */
  async clientJson(name: string, args: readonly string[]): Promise<Record<string, unknown>[]> {
    const { stdout } = await this.client(name, [...args, '--json']);
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Runs the server's command. */
  serverCommand(args: readonly string[], input = ''): Promise<Outcome> {
    return runProgram('ip-server', args, this.serverHome, { input });
  }

  /** Asks `peers` of a client until it fits: the directory comes on a timer. */
  async sees(
    name: string,
    fits: (peers: Record<string, unknown>[]) => boolean,
  ): Promise<Record<string, unknown>[]> {
    for (;;) {
      const [document] = await this.clientJson(name, ['peers']);
      const peers = (document?.['peers'] ?? []) as Record<string, unknown>[];
      if (fits(peers)) return peers;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#daemons.map((daemon) => daemon.stop('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
