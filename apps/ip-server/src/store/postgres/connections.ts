// oxlint-disable-next-line typescript/triple-slash-reference -- projects that read these sources need its types, too
/// <reference path="./pgpass.d.ts" />
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { FilerError, Semaphore } from '@filer/protocol';
import type { Row } from '@filer/program';
import { Client, types, type ClientConfig, type QueryConfig } from 'pg';
import pgpass from 'pgpass';
import type { PostgresAddress } from '../../store-address.ts';
import {
  isConnectionFailure,
  isOtherSchema,
  isSilence,
  newerSchema,
  placeOf,
  postgresError,
} from './failures.ts';

/** Connections of one server at the most: its transactions are short, and those of most kinds wait for each other. */
const MAX_CONNECTIONS = 6;

const CONNECT_TIMEOUT_MS = 5_000;

/** The database ends a statement, and a wait for a lock, that takes so long. */
const STATEMENT_TIMEOUT_MS = 10_000;
export const LOCK_TIMEOUT_MS = 8_000;

/** A server that stands still within a transaction holds up the others for so long at most. */
const IDLE_TRANSACTION_MS = 5_000;

/** An answer that has not come by then is not awaited: the network is cut, or the database stands still. */
const ANSWER_TIMEOUT_MS = 12_000;

/** A database that did not answer is asked again after so long; what is asked before fails at once, in the same words. */
const QUIET_MS = 1_000;

/** A database that does not say goodbye is left after so long. */
const GOODBYE_MS = 2_000;

/** Names the lock that each connection of a server shares, and that a copy needs for itself ("filec" as those of filer). */
export const COPY_LOCK = 0x66_69_6c_63;

/** The schema that holds all tables: other programs may use the database, too. */
export const SCHEMA_NAME = 'filer';

type Single = null | number | string | Buffer;
export type SqlValue = Single | readonly Single[];

export interface Answer {
  readonly rows: Row[];
  readonly rowCount: number | null;
}

export interface PostgresPlace {
  readonly address: PostgresAddress;
  /** File with the password. @default PGPASSFILE, ~/.pgpass or none */
  readonly passwordFile?: string | undefined;
  /** An answer that has not come by then is not awaited, in ms. @default 12,000 */
  readonly answerMs?: number | undefined;
}

/** A connection in use. */
export class Connection {
  readonly client: Client;
  readonly #address: PostgresAddress;
  /** It is not to be used again. */
  isBroken = false;
  /** Why, if the database did not answer. */
  silence: unknown;

  constructor(client: Client, address: PostgresAddress) {
    this.client = client;
    this.#address = address;
  }

  /** @param query with a name it is prepared once; its `query_timeout` is the limit of this one alone, in ms @throws FilerError as `postgresError` says */
  async query(query: QueryConfig<SqlValue[]> & { readonly query_timeout?: number }): Promise<Answer> {
    try {
      return await this.client.query<Row>(query);
    } catch (error) {
      if (isConnectionFailure(error)) this.isBroken = true;
      const problem = postgresError(this.#address, error);
      if (isSilence(error)) this.silence = problem;
      throw problem;
    }
  }
}

/** A database that did not answer. */
interface Silence {
  readonly problem: unknown;
  /** By `performance.now()`; when that was noticed. */
  readonly at: number;
}

/** Connections to one database, opened when they are needed. One that has failed is not used again. */
export class Connections {
  readonly #place: PostgresPlace;
  readonly #turns = new Semaphore(MAX_CONNECTIONS);
  readonly #idle: Client[] = [];
  /** All that are open, or are being opened. */
  readonly #all = new Set<Client>();
  readonly #newestVersion: number;
  /** Tells those of one store from those of others, for a copy that must be alone. */
  readonly #name = `ip-server ${randomBytes(4).toString('hex')}`;
  #silence: Silence | undefined;
  #isCopy = false;
  #isClosed = false;

  /** @param newestVersion of the tables that this program knows */
  constructor(place: PostgresPlace, newestVersion: number) {
    this.#place = place;
    this.#newestVersion = newestVersion;
  }

  get address(): PostgresAddress {
    return this.#place.address;
  }

  /** An answer that has not come by then is not awaited, in ms. */
  get answerMs(): number {
    return this.#place.answerMs ?? ANSWER_TIMEOUT_MS;
  }

  /**
   * Gives `work` a connection of its own. Of those who wait while the database does not answer, each waits for the same answer.
   *
   * @param askedAt by `performance.now()`; since when it waits
   * @throws what `work` throws, and FilerError as `postgresError` says
   */
  use<T>(work: (connection: Connection) => Promise<T>, askedAt = performance.now()): Promise<T> {
    return this.#turns.take(async () => {
      this.#requireAnswers(askedAt);
      const connection = new Connection(this.#idle.pop() ?? (await this.#opened()), this.address);
      try {
        return await work(connection);
      } catch (error) {
        // A newer server has changed the tables while this one ran.
        if (isOtherSchema(error)) {
          connection.isBroken = true;
          await this.#requireKnownVersion(connection.client);
        }
        throw error;
      } finally {
        this.#done(connection);
      }
    });
  }

  #requireAnswers(askedAt: number): void {
    if (this.#silence === undefined) return;
    const { problem, at } = this.#silence;
    if (askedAt < at || performance.now() - at < QUIET_MS) throw problem;
  }

  #done({ client, isBroken, silence }: Connection): void {
    this.#silence = silence === undefined ? undefined : { problem: silence, at: performance.now() };
    if (!isBroken) {
      this.#giveBack(client);
      return;
    }
    // What ended or silenced one of them has done so to those that are idle.
    for (const each of [client, ...this.#idle.splice(0)]) discard(each);
  }

  async #opened(): Promise<Client> {
    try {
      return await this.open();
    } catch (error) {
      const problem = postgresError(this.address, error);
      if (isSilence(error)) this.#silence = { problem, at: performance.now() };
      throw problem;
    }
  }

  #giveBack(client: Client): void {
    if (this.#isClosed) discard(client);
    else this.#idle.push(client);
  }

  /**
   * A connection that is the caller's, to the host that takes writes.
   *
   * @throws of the driver, and FilerError for a database that this program may not use now
   */
  async open(): Promise<Client> {
    const { address } = this.#place;
    const password = (await this.#storedPassword()) ?? environmentPassword();
    const ssl = await tlsOf(address);
    let problem: unknown = new FilerError(
      'timed-out',
      `${placeOf(address)} takes no writes at any of its hosts`,
    );
    for (const { host, port } of address.hosts) {
      if (this.#isClosed) throw new FilerError('interrupted', 'the server is stopping');
      const at = { host, port, user: address.user, database: address.database };
      const client = new Client({
        ...CONFIG,
        query_timeout: this.answerMs,
        connectionTimeoutMillis: Math.min(CONNECT_TIMEOUT_MS, this.answerMs),
        application_name: this.#name,
        password: password ?? (() => listedPassword(at)),
        ssl,
        ...at,
      });
      // A connection that fails while it is idle is left out; one in use rejects what is asked.
      this.#all.add(client);
      client.on('error', () => this.#forget(client));
      client.on('end', () => {
        this.#forget(client);
        this.#all.delete(client);
      });
      try {
        await client.connect();
        if (await this.#mayUse(client)) return client;
        discard(client);
      } catch (error) {
        problem = error;
        discard(client);
        if (error instanceof FilerError) break;
      }
    }
    throw problem;
  }

  /** @returns false for a standby @throws FilerError `already-running`, `store-damaged` */
  async #mayUse(client: Client): Promise<boolean> {
    const { rows } = await client.query<{ standby: boolean; free: boolean; known: boolean }>(ON_CONNECT, [
      this.#isCopy,
    ]);
    const [row] = rows;
    if (row?.standby === true) return false;
    if (row?.free !== true) {
      throw new FilerError(
        'already-running',
        `${placeOf(this.address)} is being copied by "ip-server store copy": wait for its end`,
      );
    }
    if (row.known) await this.#requireKnownVersion(client);
    return true;
  }

  /** @throws FilerError `store-damaged` for tables of a newer ip-server */
  async #requireKnownVersion(client: Client): Promise<void> {
    const { rows: versions } = await client.query<{ number: number }>(`SELECT number FROM version`);
    const { number: version = 0 } = versions[0] ?? {};
    if (version > this.#newestVersion) throw newerSchema(this.address, version, this.#newestVersion);
  }

  /** A copy is about to take for itself what the connections of a server share. */
  async leaveToCopy(): Promise<void> {
    this.#isCopy = true;
    await this.#endIdle();
  }

  async #storedPassword(): Promise<string | undefined> {
    const { passwordFile } = this.#place;
    if (passwordFile === undefined) return undefined;
    try {
      return (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '');
    } catch (error) {
      throw new FilerError(
        'configuration-invalid',
        `cannot read the password of the database in ${passwordFile}: correct store-password-file`,
        { cause: error },
      );
    }
  }

  #forget(client: Client): void {
    const at = this.#idle.indexOf(client);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const timer = setTimeout(() => this.giveUp(), GOODBYE_MS);
    await this.#endIdle();
    clearTimeout(timer);
  }

  async #endIdle(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((client) => client.end().catch(() => undefined)));
  }

  /** Ends all of them at once, also those in use, and opens none. */
  giveUp(): void {
    this.#isClosed = true;
    for (const client of this.#all) client.connection.stream.destroy();
  }
}

/** A standby takes no writes. What was acknowledged survives a power cut, whatever the database is set to. */
const ON_CONNECT = `
  SELECT pg_is_in_recovery() AS standby,
    to_regclass('${SCHEMA_NAME}.version') IS NOT NULL AS known,
    $1::boolean OR pg_try_advisory_lock_shared(${COPY_LOCK}) AS free,
    CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END`;

/** Numbers up to 2^53, as in all of this program. */
const parseInteger = (text: string): number => Number(text);

const CONFIG: ClientConfig = {
  statement_timeout: STATEMENT_TIMEOUT_MS,
  lock_timeout: LOCK_TIMEOUT_MS,
  idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
  keepAlive: true,
  keepAliveInitialDelayMillis: CONNECT_TIMEOUT_MS,
  options: `-c search_path=${SCHEMA_NAME} -c client_min_messages=warning`,
  types: {
    getTypeParser: (oid: number, format?: 'text' | 'binary'): unknown =>
      oid === types.builtins.INT8
        ? parseInteger
        : types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text'),
  },
};

async function tlsOf({ tls, rootCertificates }: PostgresAddress): Promise<ClientConfig['ssl']> {
  if (tls === 'disable') return false;
  const ca = rootCertificates === undefined ? {} : { ca: await readFile(rootCertificates, 'utf8') };
  return { rejectUnauthorized: tls === 'verify-full', ...ca };
}

/** What PGPASSFILE or ~/.pgpass has. @returns an empty one, which the driver refuses, for none */
function listedPassword(at: Parameters<typeof pgpass>[0]): Promise<string> {
  return new Promise((resolve) => pgpass(at, (password = '') => resolve(password)));
}

/** As the driver has it of PGPASSWORD. */
const environmentPassword = (): string | undefined => new Client().password;

/** Ends it without waiting: the other side may not answer. */
export function discard(client: Client): void {
  client.end().catch(() => undefined);
  client.connection.stream.destroy();
}
