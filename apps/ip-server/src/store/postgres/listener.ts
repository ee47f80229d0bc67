import type { Client } from 'pg';
import { discard, type Connections } from './connections.ts';

/** What all servers of a database listen on: a word there says only that it is worth a look. */
export const CHANNEL = 'filer';

/** Before the connection is opened again after it has failed. */
const REOPEN_MS = 2_000;

/** A connection that only listens. While it is away, those who look from time to time miss nothing. */
export class Listener implements AsyncDisposable {
  readonly #connections: Connections;
  readonly #onNews: () => void;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #checking: NodeJS.Timeout;
  #isAsking = false;
  #opening: Promise<void>;
  #isClosed = false;

  constructor(connections: Connections, onNews: () => void) {
    this.#connections = connections;
    this.#onNews = onNews;
    this.#opening = this.#open();
    this.#checking = setInterval(() => {
      // A connection is asked one thing at a time.
      if (this.#isAsking) return;
      this.#isAsking = true;
      void this.#check().finally(() => (this.#isAsking = false));
    }, connections.answerMs);
  }

  /** A network that was cut says nothing: a connection that only listens would wait forever. */
  async #check(): Promise<void> {
    const client = this.#client;
    try {
      await client?.query('SELECT 1');
    } catch {
      if (client !== undefined) discard(client);
      if (this.#client === client) this.#reopen();
    }
  }

  async #open(): Promise<void> {
    let client: Client | undefined;
    try {
      const opened = await this.#connections.open();
      client = opened;
      opened.on('end', () => {
        if (this.#client === opened) this.#reopen();
      });
      opened.on('notification', this.#onNews);
      await opened.query(`LISTEN ${CHANNEL}`);
      this.#client = opened;
      // What was said before it listened.
      this.#onNews();
    } catch {
      // Those who use the database say what is wrong with it.
      if (client !== undefined) discard(client);
      this.#reopen();
    }
  }

  #reopen(): void {
    this.#client = undefined;
    if (this.#isClosed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#opening = this.#open();
    }, REOPEN_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#checking);
    await this.#opening;
    if (this.#client !== undefined) discard(this.#client);
  }
}
