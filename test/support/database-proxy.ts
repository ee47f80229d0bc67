import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOCKET = '.s.PGSQL.5432';

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** What was sent is dropped from here on, in either direction. */
  isLost: boolean;
  /** How much of what is waited for it has said. */
  said: number;
}

/** The network between a server and its database: it passes, is cut, swallows all that is sent, or forgets who is connected. */
export class DatabaseProxy implements AsyncDisposable {
  /** Of the database as reached through it, as `--store` takes it. */
  readonly address: string;
  readonly #folder: string;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #state: 'passes' | 'cut' | 'silent' = 'passes';
  #lostAfter: readonly string[] | undefined;
  /** How many connections were asked for. */
  count = 0;

  /** @param address of a database at a socket */
  static async to(address: string): Promise<DatabaseProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'filer-proxy-'));
    const [, before = '', there = ''] = /^(.*\?host=)(.*)$/.exec(address) ?? [];
    const server = createServer();
    const proxy = new DatabaseProxy(`${before}${folder}`, folder, server, join(there, SOCKET));
    await once(server.listen(join(folder, SOCKET)), 'listening');
    return proxy;
  }

  private constructor(address: string, folder: string, server: Server, there: string) {
    this.address = address;
    this.#folder = folder;
    this.#server = server;
    server.on('connection', (near) => this.#take(near, there));
  }

  #take(near: Socket, there: string): void {
    this.count++;
    near.on('error', () => undefined);
    if (this.#state === 'cut') {
      near.destroy();
      return;
    }
    const far = connect(there);
    const pair: Pair = { near, far, isLost: this.#state === 'silent', said: 0 };
    this.#pairs.add(pair);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('error', () => undefined);
      from.on('data', (bytes) => {
        if (pair.isLost) return;
        to.write(bytes);
        const next = this.#lostAfter?.[pair.said];
        if (from !== near || next === undefined || !bytes.includes(next)) return;
        if (++pair.said < (this.#lostAfter?.length ?? 0)) return;
        this.#lostAfter = undefined;
        this.silence();
      });
      from.on('close', () => {
        this.#pairs.delete(pair);
        if (!pair.isLost) to.destroy();
      });
    }
  }

  /** All connections end, and none is made. */
  cut(): void {
    this.#state = 'cut';
    for (const { near, far } of this.#pairs) for (const each of [near, far]) each.destroy();
  }

  /** Connections are made, and nothing comes through any of them, then and later. */
  silence(): void {
    this.#state = 'silent';
    this.forget();
  }

  /** Nothing more comes through the connections that there are; later ones work. */
  forget(): void {
    for (const pair of this.#pairs) pair.isLost = true;
  }

  /** Once a connection has said all of it, one after the other, no answer arrives and nothing else, until it passes again. */
  loseAnswerTo(...said: string[]): void {
    this.#lostAfter = said;
  }

  passes(): void {
    this.#state = 'passes';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
