import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, openHome, readConfiguration, resolveHome } from '@filer/program';
import { adminApiOf } from '../../apps/ip-server/src/api/admin-api.ts';
import { methodsOn } from '../../apps/ip-server/src/api/methods.ts';
import { openServer } from '../../apps/ip-server/src/daemon/compose.ts';
import type {
  ServerDaemon,
  ServerOptions,
  ServerParts,
} from '../../apps/ip-server/src/daemon/server-daemon.ts';
import { SETTINGS } from '../../apps/ip-server/src/settings.ts';
import { askHere, runHere } from './in-process.ts';
import { ClientHere } from './network-here.ts';
import type { Line, Outcome } from './programs.ts';

const PAGES = join(import.meta.dirname, '../../packages/web/dist/dashboard');

/** Tests wait for many of them, and each is a statement or two. */
const BEAT_MS = 500;

/** One of several servers, in the process of the test. */
export class ServerHere implements AsyncDisposable {
  readonly home: string;
  readonly daemon: ServerDaemon;

  constructor(home: string, daemon: ServerDaemon) {
    this.home = home;
    this.daemon = daemon;
  }

  get id(): string {
    return this.daemon.identity.id;
  }

  /** The document of a command that must succeed. */
  async ask(...args: string[]): Promise<Line> {
    return (await askHere('ip-server', this.home, args)).at(-1) ?? {};
  }

  run(...args: string[]): Promise<Outcome> {
    return runHere('ip-server', this.home, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon.close();
  }
}

type StartOptions = [
  settings?: Readonly<Record<string, unknown>>,
  store?: Partial<Pick<ServerOptions, 'storeEndMs' | 'storeAnswerMs' | 'cutOffMs' | 'beatMs' | 'log'>>,
];

/** A network with several servers on one database. */
export class ServersHere implements AsyncDisposable {
  readonly folder: string;
  readonly #store: string;
  readonly #servers: AsyncDisposable[] = [];
  readonly #clients: AsyncDisposable[] = [];
  readonly #settings: Readonly<Record<string, unknown>>;

  private constructor(folder: string, store: string, settings: Readonly<Record<string, unknown>>) {
    this.folder = folder;
    this.#store = store;
    this.#settings = settings;
  }

  /** @param store as `--store` takes it */
  static async open(store: string, settings: Readonly<Record<string, unknown>> = {}): Promise<ServersHere> {
    return new ServersHere(await mkdtemp(join(tmpdir(), 'filer-servers-')), store, settings);
  }

  /** Starts a server, which looks often at what the others do; the first one makes the network. */
  async start(name: string, ...[settings = {}, store = {}]: StartOptions): Promise<ServerHere> {
    const home = join(this.folder, name);
    const env = { IP_SERVER_HOME: home };
    const place = resolveHome('ip-server', env);
    await openHome(place);
    const flags = {
      store: this.#store,
      host: '127.0.0.1',
      port: 0,
      broadcastIntervalMs: 100,
      reportIntervalMs: 5_000,
      httpPort: 'off' as const,
      ...this.#settings,
      ...settings,
    };
    const read = await readConfiguration(SETTINGS, { home: place, env, flags });
    const log = await createLogger({ level: 'error', stream: process.stderr });
    const methodsOf = (parts: ServerParts) => methodsOn(adminApiOf(parts));
    const options = {
      home: place,
      settings: read,
      environment: env,
      log,
      version: '0.0.0',
      methodsOf,
      ...{ beatMs: BEAT_MS, ...store },
      pages: PAGES,
    };
    const server = new ServerHere(home, await openServer(options));
    this.#servers.push(server);
    return server;
  }

  /** Starts so many servers, all listed. */
  async startAll(count: number, ...how: StartOptions): Promise<ServerHere[]> {
    const servers: ServerHere[] = [];
    for (let n = 0; n < count; n++) servers.push(await this.start(`server-${n}`, ...how));
    for (const { id } of servers.slice(1)) await servers[0]?.ask('servers', 'add', id);
    // They know of it by their next beat; a test does not wait for that.
    for (const { daemon } of servers) await daemon.group?.listChanged();
    return servers;
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  /** Joins a machine by an invite that a server makes. */
  async join(name: string, by: ServerHere, ...invite: string[]): Promise<Outcome> {
    const made = await by.run('invite', ...invite);
    if (made.code !== 0) throw new Error(made.stderr);
    const link = made.stdout.trim();
    return await runHere('filer-client', this.home(name), ['join', '-', '--name', name], link);
  }

  /** Starts a machine that has joined. */
  async startClient(name: string): Promise<ClientHere> {
    const client = await ClientHere.start(this.home(name), 0);
    this.#clients.push(client);
    return client;
  }

  /** Joins a machine, starts it, and waits until it is connected. */
  async add(name: string, by: ServerHere): Promise<ClientHere> {
    const { code, stderr } = await this.join(name, by);
    if (code !== 0) throw new Error(stderr);
    return await (await this.startClient(name)).connected();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const all of [this.#clients, this.#servers])
      await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
    await rm(this.folder, { recursive: true, force: true });
  }
}
