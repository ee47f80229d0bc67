import { isIP } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import {
  dial,
  DIAL_BACK_MS,
  DIAL_BACKS_AT_ONCE,
  DIAL_BACKS_PER_SECOND,
  FilerError,
  formatHostPort,
  isDialable,
  isLoopback,
  MAX_DIAL_BACKS,
  Rates,
  reachedMessage,
  reachMessage,
  Shares,
  tcpAddressesOf,
  type HostPort,
  type Identity,
  type Messenger,
  type PeerRecord,
} from '@filer/protocol';
import type { MemberRouter } from './member-router.ts';

export interface DialBackParts {
  readonly identity: Identity;
  /** What a machine has published of itself. */
  readonly recordOf: (id: string) => PeerRecord | undefined;
  /** How long it tries, in ms; so long a failure takes. @default DIAL_BACK_MS */
  readonly failMs?: number;
  /** A clock that does not jump, in ms. @default performance.now */
  readonly now?: () => number;
}

/**
 * Tells machines whether connections to them can be opened from outside, by opening one. Only to the address that the
 * request came from, at a port that the machine has published: so that no machine uses this server to look for open ports.
 */
export class DialBack {
  readonly #parts: DialBackParts;
  readonly #now: () => number;
  readonly #rates = new Rates({ atOnce: DIAL_BACKS_AT_ONCE, perSecond: DIAL_BACKS_PER_SECOND });
  readonly #running = new Shares({ perHolder: DIAL_BACKS_AT_ONCE, inAll: MAX_DIAL_BACKS });

  constructor(parts: DialBackParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => performance.now());
  }

  /** Answers `reach` from now on. */
  route(router: MemberRouter): void {
    router.on(reachMessage, ({ port }, { connection: { id, messenger } }, { header }) => {
      const target = targetOf(messenger.addr, this.#parts.recordOf(id), port);
      this.#charge(id);
      // Not awaited: what else this machine says is answered meanwhile.
      void this.#answer(messenger, id, target, header['id']);
      return undefined;
    });
  }

  #charge(id: string): void {
    const now = this.#now();
    if (this.#rates.left(id, now) < 1) {
      const seconds = Math.ceil(this.#rates.waitMs(id, 1, now) / 1_000);
      throw new FilerError(
        'rate-limited',
        `this machine was dialled back less than a minute ago: try again in ${seconds} s`,
      );
    }
    if (!this.#running.tryAdd(id, 1))
      throw new FilerError('rate-limited', 'the server dials back many machines now: try again in a minute');
    this.#rates.take(id, 1, now);
  }

  /** Never rejects. */
  async #answer(messenger: Messenger, id: string, target: HostPort, re: string | undefined): Promise<void> {
    const gone = new AbortController();
    void messenger.closed.then(() => gone.abort(new FilerError('connection-closed', 'the machine left')));
    try {
      const reached = await this.#reaches(target, id, gone.signal);
      if (gone.signal.aborted || re === undefined) return;
      const { header } = reachedMessage.format({ address: formatHostPort(target), reached });
      await messenger.send({ ...header, re });
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      // The connection has ended: so has the question.
    } finally {
      this.#running.giveBack(id, 1);
    }
  }

  async #reaches(target: HostPort, id: string, signal: AbortSignal): Promise<boolean> {
    const { identity, failMs = DIAL_BACK_MS } = this.#parts;
    const late = wait(failMs, undefined, { signal }).catch(() => undefined);
    try {
      const endpoint = { transport: 'tls', ...target, identity, expect: id } as const;
      const { socket } = await dial(endpoint, { signal, timeoutMs: failMs });
      socket.destroy();
      return true;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      // Refused, filtered, another program: the time of the answer does not say which.
      await late;
      return false;
    }
  }
}

/**
 * Where a machine may be dialled back.
 *
 * @param seen the address of its connection
 * @throws FilerError `refused` for a port that it has not published, and for an address that is not dialled
 */
export function targetOf(seen: string, record: PeerRecord | undefined, port: number): HostPort {
  const host = seen.replace(/:[0-9]+$/, '').replace(/^\[|\]$/g, '');
  if (isIP(host) === 0 || !isDialable(host))
    throw new FilerError('refused', 'the address of this connection is not one that is dialled');
  const published = tcpAddressesOf(record?.addresses ?? [], isDialable);
  // What comes over loopback may come through a tunnel: only a machine that publishes loopback is there.
  const fits = published.some((each) => each.port === port && (!isLoopback(host) || each.host === host));
  if (fits) return { host, port };
  throw new FilerError(
    'refused',
    'a machine is dialled back only at a port that it has published: start its daemon, and try again',
  );
}
