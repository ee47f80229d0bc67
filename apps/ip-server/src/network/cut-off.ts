import {
  dial,
  FilerError,
  sayHello,
  serversOf,
  tcpAddressesOf,
  unauthenticatedMessenger,
  VERSIONS,
  type HostPort,
  type Identity,
} from '@filer/protocol';
import { Listeners, type Logger } from '@filer/program';
import { BEAT_MS, type ServerGroup } from './server-group.ts';

/**
 * A database that has not answered for so long does not answer this server. Machines are then at another one before this server's
 * lease is over, by which they would count as lost.
 */
const CUT_OFF_MS = 10_000;

/**
 * A database that answered a shorter part of that time ago is not asked again whether it does. Where it is away for all servers, none
 * of them has had an answer for so short a time when another one counts as cut off: they renew their leases every 3 s.
 */
const FRESH_SHARE = 0.5;

/** One address of another server has so long to answer. */
const ANSWER_MS = 5_000;

/** A server that is cut off asks every few seconds: one that was silent for so long has stopped asking. */
const ASKS_END_MS = 30_000;

export interface CutOffParts {
  readonly identity: Identity;
  readonly network: string;
  readonly software: string;
  /** Which servers there are, and how long ago the database last answered. */
  readonly group: Pick<ServerGroup, 'list' | 'silentMs'>;
  /** @throws FilerError when the database does not answer */
  readonly askStore: () => Promise<unknown>;
  readonly log: Logger;
  /** @default CUT_OFF_MS */
  readonly cutOffMs?: number | undefined;
  /** How often it looks at what the others do. @default BEAT_MS */
  readonly beatMs?: number | undefined;
}

/**
 * What a server does that is cut off from the database: what its machines report would wait here, and count as missing. They go to
 * another one, if one says that it reaches the database; else they stay, as the database may be away for all.
 */
export class CutOff implements Disposable {
  readonly #parts: CutOffParts;
  readonly #cutOffMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #left = new Listeners<[]>();
  /** Tells that machines are to go to another server, again and again until the database answers. */
  readonly onLeft = this.#left.add;
  readonly #closed = new AbortController();
  /** Other servers that ask whether this one is well: what they were told last, and when by `performance.now()`. */
  readonly #askers = new Map<string, { readonly code: string; readonly at: number }>();
  #isOtherWell = false;
  #isLooking = false;
  #asking: Promise<unknown> | undefined;

  constructor(parts: CutOffParts) {
    this.#parts = parts;
    this.#cutOffMs = parts.cutOffMs ?? CUT_OFF_MS;
    this.#timer = setInterval(() => {
      this.#dropAskers();
      if (this.#isLooking) return;
      this.#isLooking = true;
      void this.#look().finally(() => (this.#isLooking = false));
    }, parts.beatMs ?? BEAT_MS);
  }

  /** Whether machines are to go to another server. */
  get isLeft(): boolean {
    return this.#isOtherWell && this.#isSilent;
  }

  get #isSilent(): boolean {
    return this.#parts.group.silentMs > this.#cutOffMs;
  }

  get #others(): { readonly id: string; readonly addresses: readonly HostPort[] }[] {
    const { group, identity } = this.#parts;
    const { list } = group;
    if (list === undefined) return [];
    return serversOf(list)
      .filter(({ id }) => id !== identity.id)
      .map(({ id, addresses }) => ({ id, addresses: tcpAddressesOf(addresses) }));
  }

  /** Of several servers, one that is cut off admits none: so it is also told apart by the others. @throws FilerError `timed-out` */
  async requireStore(): Promise<void> {
    if (this.#parts.group.silentMs < FRESH_SHARE * this.#cutOffMs || this.#others.length === 0) return;
    this.#asking ??= this.#parts.askStore().finally(() => (this.#asking = undefined));
    try {
      await this.#asking;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      throw cutOff(error);
    }
  }

  /** Whether another server ended or was refused in the same way when it asked last: the log of a long outage says it once. */
  isRepeated(id: string | undefined, { code }: FilerError): boolean {
    if (id === undefined || !this.#others.some((other) => other.id === id)) return false;
    const before = this.#askers.get(id);
    this.#askers.set(id, { code, at: performance.now() });
    return before?.code === code;
  }

  #dropAskers(): void {
    for (const [server, { at }] of this.#askers) {
      if (performance.now() - at < ASKS_END_MS) continue;
      this.#askers.delete(server);
      this.#parts.log.info('a server no longer asks whether this one reaches the database', { server });
    }
  }

  /** Never rejects for what another server does. */
  async #look(): Promise<void> {
    if (!this.#isSilent) {
      this.#isOtherWell = false;
      return;
    }
    const answers = await Promise.all(this.#others.map((other) => this.#isWell(other)));
    const isWell = answers.includes(true);
    if (this.#closed.signal.aborted || !this.#isSilent) return;
    if (isWell && !this.#isOtherWell)
      this.#parts.log.warn('this server is cut off from the database: its machines go to another one', {});
    this.#isOtherWell = isWell;
    if (isWell) this.#left.tell();
  }

  /** Whether a server would admit a machine, for which it needs the database. */
  async #isWell({ id, addresses }: { id: string; addresses: readonly HostPort[] }): Promise<boolean> {
    const { identity, network, software } = this.#parts;
    const hello = { versions: VERSIONS, features: [], role: 'join', network, removals: 0 } as const;
    const more = { purpose: 'session', subscribe: false, software, schedules: [] } as const;
    for (const address of addresses) {
      const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(ANSWER_MS)]);
      try {
        const endpoint = { transport: 'tls', ...address, identity, expect: id } as const;
        const link = await dial(endpoint, { signal, timeoutMs: ANSWER_MS });
        const messenger = unauthenticatedMessenger(link, 'session', 'the other server');
        try {
          await sayHello(messenger, { ...hello, ...more }, { signal });
          return true;
        } finally {
          messenger.destroy();
        }
      } catch (error) {
        // Of the signal, too: it did not answer in time.
        if (!(error instanceof FilerError) && !signal.aborted) throw error;
      }
    }
    return false;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#closed.abort();
  }
}

/** Said to machines without a membership, too: it names no database. */
export function cutOff(cause?: FilerError): FilerError {
  return new FilerError(
    'timed-out',
    'this server cannot reach its database: connect to another one, or try again in a minute',
    { cause },
  );
}
