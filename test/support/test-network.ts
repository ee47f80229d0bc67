import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { processEnvironment } from '@filer/program';
import { freePort } from './free-port.ts';
import { askHere, runHere, until } from './in-process.ts';
import {
  DaemonProcess,
  jsonLines,
  ProgramProcess,
  runProgram,
  type Line,
  type Outcome,
  type ProgramName,
  type RunOptions,
} from './programs.ts';

const MiB = 1024 * 1024;

export interface NetworkOptions {
  readonly serverArgs?: readonly string[];
  /** Each command is a process of its own, as at a user's: several times the work of one in this process. @default false */
  readonly spawns?: boolean;
  /** Machines that are joined and started. */
  readonly running?: readonly string[];
  /** More variables of the daemons. */
  readonly daemonEnv?: Readonly<Record<string, string>>;
  /** How fast the directory and heartbeats go, as options of the server. @default fast, for tests that wait for them */
  readonly pace?: readonly string[];
}

/** A network of one ip-server and any number of clients in a temporary folder; `close` ends and removes all. */
export class TestNetwork implements AsyncDisposable {
  readonly folder: string;
  readonly serverHome: string;
  readonly #daemons = new Map<string, DaemonProcess>();
  readonly #all: ProgramProcess[] = [];
  /** Where each machine listens, after a stop too: what others know of it may be old. */
  readonly #listens = new Map<string, string>();
  #serverPort: string | undefined;
  #serverArgs: readonly string[] = [];
  #spawns = false;
  #daemonEnv: Readonly<Record<string, string>> = {};
  #pace: readonly string[] = [];
  #invite: Promise<string> | undefined;
  #closed = false;

  private constructor(folder: string) {
    this.folder = folder;
    this.serverHome = join(folder, 'server');
  }

  static async open({
    serverArgs = [],
    running = [],
    spawns = false,
    daemonEnv = {},
    pace = ['--broadcast-interval', '100ms', '--report-interval', '5s'],
  }: NetworkOptions = {}): Promise<TestNetwork> {
    const network = new TestNetwork(await mkdtemp(join(tmpdir(), 'filer-test-')));
    try {
      network.#serverArgs = serverArgs;
      network.#spawns = spawns;
      network.#daemonEnv = daemonEnv;
      network.#pace = pace;
      await network.startServer();
      await Promise.all(running.map((name) => network.add(name)));
      // The directory comes on a timer: who sends at once would find the others offline.
      for (const name of running)
        for (const other of running) if (other !== name) await network.seesAs(name, other, 'online');
      return network;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  inbox(name: string, ...below: string[]): string {
    return join(this.home(name), 'inbox', ...below);
  }

  get server(): DaemonProcess {
    return this.daemon('server');
  }

  /** The running daemon of a machine. */
  daemon(name: string): DaemonProcess {
    const daemon = this.#daemons.get(name);
    if (daemon === undefined) throw new Error(`${name} was not started`);
    return daemon;
  }

  /** Starts the server; after a stop on the same port. */
  async startServer(): Promise<DaemonProcess> {
    this.#serverPort ??= String(await freePort());
    const where = ['--host', '127.0.0.1', '--port', this.#serverPort];
    const args = [...where, ...this.#pace, ...this.#serverArgs];
    return this.#keep('server', await this.#startDaemon('ip-server', args, this.serverHome));
  }

  /** The next start is on another port. */
  moveServer(): void {
    this.#serverPort = undefined;
  }

  async invite(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.ofServer(['invite', ...args]);
    if (code !== 0) throw new Error(`invite failed: ${stderr}`);
    return stdout;
  }

  /** Joins a machine: by an invite that all share, or one of its own with these arguments. */
  async join(name: string, ...inviteArgs: string[]): Promise<void> {
    this.#invite ??= this.invite('--uses', '1000');
    const link = await (inviteArgs.length === 0 ? this.#invite : this.invite(...inviteArgs));
    const { code, stderr } = await this.client(name, ['join', '-', '--name', name], { input: link });
    if (code !== 0) throw new Error(`join failed: ${stderr}`);
  }

  /** Joins a machine and starts it. */
  async add(name: string, ...args: string[]): Promise<DaemonProcess> {
    await this.join(name);
    return this.start(name, ...args);
  }

  /** Starts a machine, on a port of 127.0.0.1 that it keeps, unless told otherwise. */
  async start(name: string, ...args: string[]): Promise<DaemonProcess> {
    const daemon = await this.startAlone(name, ...args);
    await daemon.said('connected to the ip-server');
    return daemon;
  }

  /** The same without waiting for the server, which may be away. */
  async startAlone(name: string, ...args: string[]): Promise<DaemonProcess> {
    const listens = this.#listens.get(name) ?? `127.0.0.1:${await freePort()}`;
    this.#listens.set(name, listens);
    const where = args.includes('--listen') ? [] : ['--listen', listens];
    return this.#keep(name, await this.#startDaemon('filer-client', [...where, ...args], this.home(name)));
  }

  /** Runs a machine's command to its end, in this process if that can be. */
  client(name: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return this.#run('filer-client', this.home(name), args, options);
  }

  /** Starts a machine's command. */
  follow(name: string, args: readonly string[], options: RunOptions = {}): ProgramProcess {
    const command = new ProgramProcess('filer-client', args, this.home(name), options);
    this.#all.push(command);
    return command;
  }

  /** Runs a machine's command with `--json`, which must succeed. @returns every line of standard output */
  async ask(name: string, ...args: string[]): Promise<Line[]> {
    const outcome = await this.client(name, [...args, '--json']);
    if (outcome.code !== 0) {
      throw new Error(`${args.join(' ')}: exit ${outcome.code}: ${outcome.stdout}\n${outcome.stderr}`);
    }
    return jsonLines(outcome);
  }

  /** Runs a command of the server, in this process if that can be. */
  ofServer(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return this.#run('ip-server', this.serverHome, args, options);
  }

  /** Starts a command of the server. */
  followServer(args: readonly string[], options: RunOptions = {}): ProgramProcess {
    const command = new ProgramProcess('ip-server', args, this.serverHome, options);
    this.#all.push(command);
    return command;
  }

  /** The same as `ofServer` with `--json`; its one document. */
  async askServer(...args: string[]): Promise<Line> {
    const outcome = await this.ofServer([...args, '--json']);
    const [document] = jsonLines(outcome);
    if (outcome.code !== 0 || document === undefined) throw new Error(`${args.join(' ')}: ${outcome.stderr}`);
    return document;
  }

  /** The peers that a machine knows of. */
  async peers(name: string, ...args: string[]): Promise<Line[]> {
    const [document] = await this.ask(name, 'peers', ...args);
    return listOf(document, 'peers');
  }

  /** The same as `ask` without a process of its own: for what is asked until it fits. */
  askHere(name: string, ...args: string[]): Promise<Line[]> {
    return askHere('filer-client', this.home(name), args);
  }

  /** Asks for the peers until they fit: the directory comes on a timer. */
  sees(name: string, fits: (peers: Line[]) => boolean): Promise<Line[]> {
    return until(async () => {
      if (this.#closed) throw new Error(`${name} never saw it`);
      return listOf((await this.askHere(name, 'peers'))[0], 'peers');
    }, fits);
  }

  /** Resolves when no report waits at a machine any more. */
  async drained(name: string): Promise<void> {
    await until(
      async () => (await this.askHere(name, 'status'))[0]?.['spool'],
      (spooled) => spooled === 0,
    );
  }

  /** Waits until a machine sees another one in a state, such as `online`. */
  async seesAs(name: string, other: string, state: string): Promise<Line> {
    const peers = await this.sees(name, (all) =>
      all.some((peer) => peer['name'] === other && String(peer['state']).startsWith(state)),
    );
    return peers.find((peer) => peer['name'] === other) ?? {};
  }

  /** Waits until a machine sees another one, which runs, where it listens now. */
  async finds(name: string, other: string): Promise<void> {
    const { listen } = this.daemon(other);
    const isThere = ({ name: each, online, addresses }: Line): boolean =>
      each === other && online === true && Array.isArray(addresses) && addresses.includes(listen);
    await this.sees(name, (peers) => peers.some(isThere));
  }

  /** A file of random bytes to send. @returns its path */
  async file(name: string, bytes = 100_000): Promise<string> {
    const path = this.path(name);
    await writeRandomFile(path, bytes);
    return path;
  }

  /** Ends everything that was started and removes the folder. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#all.map((program) => program.stop('SIGKILL')));
    await rm(this.folder, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #run(program: ProgramName, home: string, args: readonly string[], options: RunOptions): Promise<Outcome> {
    const { input, env, ...asProcess } = options;
    if (this.#spawns || Object.keys(asProcess).length > 0) return runProgram(program, args, home, options);
    return runHere(program, home, args, input, false, { ...processEnvironment(), ...env });
  }

  #startDaemon(program: ProgramName, args: readonly string[], home: string): Promise<DaemonProcess> {
    return DaemonProcess.start(program, args, home, { env: this.#daemonEnv });
  }

  #keep(name: string, daemon: DaemonProcess): DaemonProcess {
    this.#daemons.set(name, daemon);
    this.#all.push(daemon);
    return daemon;
  }
}

/** Makes a file whose content has no pattern. */
export async function writeRandomFile(path: string, bytes: number): Promise<void> {
  const content = Buffer.allocUnsafe(Math.min(bytes, 4 * MiB));
  await writeFile(path, '');
  for (let left = bytes; left > 0; left -= content.length) {
    randomFillSync(content);
    await writeFile(path, content.subarray(0, Math.min(left, content.length)), { flag: 'a' });
  }
}

/** A list in a document. */
export function listOf(document: Line | undefined, key: string): Line[] {
  const value = document?.[key];
  if (!Array.isArray(value)) throw new Error(`no list ${key} in ${JSON.stringify(document)}`);
  return value as Line[];
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Every file below a folder, hidden ones too: relative paths, sorted. Empty when the folder is not there. */
export async function filesBelow(folder: string): Promise<string[]> {
  const items = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return items
    .filter((item) => !item.isDirectory())
    .map((item) => join(item.parentPath, item.name).slice(folder.length + 1))
    .toSorted();
}
