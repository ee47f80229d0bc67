import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHostPort, type HostPort } from '@filer/protocol';
import { createLogger, openHome, readConfiguration, resolveHome } from '@filer/program';
import { builtPage } from '../../apps/filer-client/src/cli/built-page.ts';
import { openDaemon } from '../../apps/filer-client/src/daemon/compose.ts';
import type { Daemon } from '../../apps/filer-client/src/daemon/daemon.ts';
import { clientSettings } from '../../apps/filer-client/src/settings.ts';
import { adminApiOf } from '../../apps/ip-server/src/api/admin-api.ts';
import { methodsOn } from '../../apps/ip-server/src/api/methods.ts';
import { openServer } from '../../apps/ip-server/src/daemon/compose.ts';
import type { ServerDaemon, ServerParts } from '../../apps/ip-server/src/daemon/server-daemon.ts';
import { SETTINGS } from '../../apps/ip-server/src/settings.ts';
import { storeOfHome } from './engine.ts';
import { freePort } from './free-port.ts';
import { askHere, runHere, until } from './in-process.ts';
import type { Line, Outcome } from './programs.ts';

/** The page of the server, as `npm run build` made it. */
const PAGES = join(import.meta.dirname, '../../packages/web/dist/dashboard');

/** What a job to several holds at least, for its recipients to pass it on: less than a real one, for tests to be quick. */
const PASS_ON_FROM_BYTES = 4 * 1024 * 1024;

const LOOPBACK = { host: '127.0.0.1', port: 0 };

function isReachable({ online, addresses }: Line): boolean {
  return online === true && Array.isArray(addresses) && addresses.length > 0;
}

/** A running filer-client in the process of the test. */
export class ClientHere implements AsyncDisposable {
  readonly home: string;
  /** All that has happened at it. */
  readonly events: Line[] = [];
  /** All that it logged. */
  log = '';
  readonly daemon: Daemon;

  private constructor(home: string, daemon: Daemon) {
    this.home = home;
    this.daemon = daemon;
    daemon.events.listen(({ type, data }) => this.events.push({ type, ...data }));
  }

  static async start(home: string, port: number, advertise: readonly HostPort[] = []): Promise<ClientHere> {
    const env = { FILER_HOME: home };
    const place = resolveHome('filer-client', env);
    const flags = { listen: { ...LOOPBACK, port }, ...(advertise.length > 0 ? { advertise } : {}) };
    const settings = await readConfiguration(clientSettings, { home: place, env, flags });
    await openHome(place);
    let logged = '';
    let write = (text: string): void => void (logged += text);
    const log = await createLogger({ stream: { write: (text) => write(text) } });
    const started = { home: place, settings, software: '0.0.0', environment: env, log, pages: builtPage() };
    const daemon = await openDaemon({ ...started, passOnFromBytes: PASS_ON_FROM_BYTES, measureMs: 100 });
    const client = new ClientHere(home, daemon);
    client.log = logged;
    write = (text) => void (client.log += text);
    return client;
  }

  get port(): number {
    return parseHostPort(this.daemon.listen).port;
  }

  /** The document of a command that must succeed. */
  async ask(...args: string[]): Promise<Line> {
    return (await askHere('filer-client', this.home, args)).at(-1) ?? {};
  }

  /** Runs a command. */
  run(...args: string[]): Promise<Outcome> {
    return runHere('filer-client', this.home, args);
  }

  async status(fits: (status: Line) => boolean): Promise<Line> {
    return until(() => this.ask('status'), fits);
  }

  /** Waits until it is connected to the server. */
  async connected(): Promise<this> {
    await this.status(({ server }) => (server as Line)['connected'] === true);
    return this;
  }

  /** Waits until it knows a peer as it should be. @param fits @default online, and its addresses are known */
  async sees(name: string, fits: (peer: Line) => boolean = isReachable): Promise<Line> {
    const found = await until(
      async () => ((await this.ask('peers'))['peers'] as Line[]).find((peer) => peer['name'] === name),
      (peer) => peer !== undefined && fits(peer),
    );
    return found ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.close();
  }
}

/** A network of real daemons in the process of the test, in a temporary folder. */
export class NetworkHere implements AsyncDisposable {
  readonly folder: string;
  readonly serverHome: string;
  /** What the server is set to, beside its addresses. HTTP is off unless its port is set. */
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #clients = new Set<ClientHere>();
  /** Where each home listens, after a stop too: what others know of it may be old. */
  readonly #ports = new Map<string, number>();
  #server: ServerDaemon | undefined;
  readonly #port: number;
  /** An open page finds the server again after a stop. */
  readonly #httpPort: number;

  private constructor(
    folder: string,
    settings: Readonly<Record<string, unknown>>,
    [port, httpPort]: readonly [number, number],
  ) {
    this.#settings = settings;
    [this.#port, this.#httpPort] = [port, httpPort];
    this.folder = folder;
    this.serverHome = join(folder, 'server');
  }

  static async open(settings: Readonly<Record<string, unknown>> = {}): Promise<NetworkHere> {
    const folder = await mkdtemp(join(tmpdir(), 'filer-here-'));
    const network = new NetworkHere(folder, settings, [await freePort(), await freePort()]);
    try {
      await network.startServer();
      return network;
    } catch (error) {
      await rm(network.folder, { recursive: true, force: true });
      throw error;
    }
  }

  get server(): ServerDaemon {
    if (this.#server === undefined) throw new Error('the server is stopped');
    return this.#server;
  }

  get port(): number {
    return this.#port;
  }

  /** Starts the server, after a stop on the same port. @param home @default its own */
  async startServer(home = this.serverHome): Promise<void> {
    const env = { IP_SERVER_HOME: home };
    const place = resolveHome('ip-server', env);
    await openHome(place);
    const store = await storeOfHome(home);
    const flags = {
      ...(store === undefined ? {} : { store }),
      host: LOOPBACK.host,
      port: this.#port,
      broadcastIntervalMs: 100,
      reportIntervalMs: 5_000,
      httpPort: 'off' as const,
      ...this.#settings,
      ...(this.#settings['httpPort'] === 0 ? { httpPort: this.#httpPort } : {}),
    };
    const settings = await readConfiguration(SETTINGS, { home: place, env, flags });
    const log = await createLogger({ level: 'error', stream: process.stderr });
    const methodsOf = (parts: ServerParts) => methodsOn(adminApiOf(parts));
    const options = {
      home: place,
      settings,
      environment: env,
      log,
      version: '0.0.0',
      methodsOf,
      pages: PAGES,
    };
    this.#server = await openServer(options);
  }

  async stopServer(): Promise<void> {
    await this.#server?.close();
    this.#server = undefined;
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  /** The document of a command of the server that must succeed. */
  async askServer(...args: string[]): Promise<Line> {
    return (await askHere('ip-server', this.serverHome, args)).at(-1) ?? {};
  }

  /** Runs a command of the server. */
  runServer(...args: string[]): Promise<Outcome> {
    return runHere('ip-server', this.serverHome, args);
  }

  async invite(...args: string[]): Promise<string> {
    return (await this.runServer('invite', ...args)).stdout.trim();
  }

  /** Joins a home with a new invite. */
  async join(name: string, home = this.home(name), ...args: string[]): Promise<Outcome> {
    return runHere('filer-client', home, ['join', '-', '--name', name, ...args], await this.invite());
  }

  /** Starts a home that has joined. */
  async start(home: string, port?: number, advertise: readonly HostPort[] = []): Promise<ClientHere> {
    const listens = port ?? this.#ports.get(home) ?? (await freePort());
    this.#ports.set(home, listens);
    const client = await ClientHere.start(home, listens, advertise);
    this.#clients.add(client);
    return client;
  }

  /** Joins a machine, starts it and waits until it is connected. */
  async add(name: string): Promise<ClientHere> {
    const { code, stderr } = await this.join(name);
    if (code !== 0) throw new Error(stderr);
    return (await this.start(this.home(name))).connected();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client[Symbol.asyncDispose]();
    await this.stopServer();
    await rm(this.folder, { recursive: true, force: true });
  }
}
