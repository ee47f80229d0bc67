import { formatHostPort, type KeyPair, type ServerRecord } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Registry } from '../store/registry.ts';
import { isAt, renewedRecord, type Reachable } from './reach.ts';

/** The signed record that says where this server is. */
export class OwnRecord {
  readonly #registry: Registry;
  readonly #log: Logger;
  #current: ServerRecord | undefined;

  private constructor(registry: Registry, log: Logger, current: ServerRecord | undefined) {
    this.#registry = registry;
    this.#log = log;
    this.#current = current;
  }

  /** @param server its id */
  static async open(registry: Registry, server: string, log: Logger): Promise<OwnRecord> {
    return new OwnRecord(registry, log, await registry.serverRecord(server));
  }

  /** Undefined until the address of this server was signed once. */
  get current(): ServerRecord | undefined {
    return this.#current;
  }

  /** It was signed by a command, or with the list of several servers. @throws FilerError of the store */
  async read(server: string): Promise<void> {
    this.#current = await this.#registry.serverRecord(server);
  }

  /**
   * Signs a new record when the addresses have changed, and says where that cannot be done.
   *
   * @param server its id @param networkKey undefined when it was taken away from this machine
   */
  async renew(
    { addresses, leftOut }: Reachable,
    server: string,
    networkKey: KeyPair | undefined,
  ): Promise<void> {
    if (leftOut.length > 0)
      this.#log.warn('invites and the server record do not name all addresses', {
        leftOut: leftOut.map(formatHostPort),
        remedy: 'name the addresses for machines with --advertise HOST:PORT',
      });
    const record = renewedRecord(this.#current, addresses, server, networkKey, Date.now());
    if (record !== undefined) {
      this.#current = record;
      await this.#registry.saveServerRecord(record);
    } else if (this.#current === undefined) {
      this.#log.warn('the address of this server was never signed, so no machine can join', {
        remedy: 'start once with --network-key FILE',
      });
    } else if (!isAt(this.#current, addresses)) {
      this.#log.warn(
        'the addresses have changed, and without the network key the new ones cannot be signed',
        {
          addresses: addresses.map(formatHostPort),
          remedy: 'start once with --network-key FILE, or "filer-client server HOST:PORT" on each machine',
        },
      );
    }
  }
}
