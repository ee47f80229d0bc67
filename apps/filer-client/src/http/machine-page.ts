import { hkdfSync } from 'node:crypto';
import { FilerError, type Identity } from '@filer/protocol';
import {
  openHttp,
  type EventRing,
  type HttpService,
  type KeyValues,
  type Logger,
  type Methods,
} from '@filer/program';
import { contract } from '../api/contract.ts';
import type { ClientEventData } from '../api/contract/events.ts';
import type { ClientSettings } from '../settings.ts';
import type { PageSession, PageSessionStore } from '../store/page-session-store.ts';
import { dropRoute, type Drop } from './drop-route.ts';
import { PageAccess } from './page-access.ts';

export interface MachinePageParts {
  readonly identity: Identity;
  /** Keeps where the page was last. */
  readonly kept: Pick<KeyValues, 'get' | 'set'>;
  readonly sessions: PageSessionStore;
  readonly httpPort: ClientSettings['httpPort'];
  readonly version: string;
  readonly events: EventRing<ClientEventData>;
  readonly drop: Drop;
  readonly methods: Methods;
  /** The folder of the built page. */
  readonly pages: string | undefined;
  readonly log: Logger;
}

/** A page that is open hears of a daemon that was restarted in this time since it was asked for: as long as its session lasts. */
const KEPT_OPEN_MS = 7 * 24 * 3_600_000;

const KEPT_PORT = 'page-port';
const KEPT_SINCE = 'page-opened-at';

/** The page of this machine, for its own browser: served when somebody asks for it, on the loopback address alone. */
export class MachinePage {
  readonly #parts: MachinePageParts;
  readonly #access: PageAccess;
  #opening: Promise<HttpService> | undefined;
  #isClosed = false;

  constructor(parts: MachinePageParts) {
    this.#parts = parts;
    this.#access = new PageAccess(parts.sessions);
  }

  /** How a browser gets there, without a token; undefined while nothing is served. */
  get url(): Promise<string> | undefined {
    return this.#opening?.then(({ url }) => url);
  }

  /** Serves at the start where that is set, or where a browser may still have the page open. Never rejects. */
  async resume(): Promise<void> {
    const { httpPort, kept, log } = this.#parts;
    const openedAt = Number(kept.get(KEPT_SINCE) ?? Number.NaN);
    const wasOpen = Math.abs(Date.now() - openedAt) < KEPT_OPEN_MS;
    if (httpPort === 'off' || (httpPort === undefined && !wasOpen)) return;
    try {
      const { url } = await this.#service();
      log.info('the page of this machine is served', { url });
    } catch (error) {
      log.warn('the page of this machine is not served', { error });
    }
  }

  /**
   * Serves from now on until the daemon ends.
   *
   * @returns a link that lets its browser in
   * @throws FilerError `refused` where the settings forbid it, `port-in-use`, `address-unusable`
   */
  async link(): Promise<string> {
    if (this.#parts.httpPort === 'off')
      throw new FilerError(
        'refused',
        'this machine serves no page (http-port = off): change that in its configuration, and restart the daemon',
      );
    const { url } = await this.#service();
    this.#parts.kept.set(KEPT_SINCE, String(Date.now()));
    return `${url}/#token=${this.#access.add()}`;
  }

  /** @param id of one session @default all, and every link */
  end(id?: string): PageSession[] {
    if (id === undefined) return this.#access.endAll();
    const ended = this.#access.endSession(id);
    return ended === undefined ? [] : [ended];
  }

  /** May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opening?.then(
      (service) => service.close(),
      () => undefined,
    );
  }

  #service(): Promise<HttpService> {
    if (this.#isClosed) throw new FilerError('terminated', 'the daemon is stopping');
    const opening = (this.#opening ??= this.#open());
    // The next one tries again.
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }

  async #open(): Promise<HttpService> {
    const { httpPort, kept } = this.#parts;
    if (typeof httpPort === 'number') return await this.#listen(httpPort);
    // The same one as before: a browser that still has the page open looks there.
    const before = Number(kept.get(KEPT_PORT) ?? '0');
    const service = await this.#listenOrElse(before);
    kept.set(KEPT_PORT, String(service.address.port));
    return service;
  }

  async #listenOrElse(port: number): Promise<HttpService> {
    try {
      return await this.#listen(port);
    } catch (error) {
      if (port === 0 || !(error instanceof FilerError)) throw error;
      return await this.#listen(0);
    }
  }

  #listen(port: number): Promise<HttpService> {
    const { identity, version, events, drop, methods, pages, log } = this.#parts;
    return openHttp({
      program: 'filer-client',
      title: 'filer-client',
      version,
      listen: { host: '127.0.0.1', port },
      contract,
      methods,
      events,
      tokens: this.#access,
      sessionKey: new Uint8Array(hkdfSync('sha256', identity.keyPem, '', 'filer http sessions', 32)),
      pages,
      routes: [dropRoute(drop)],
      log,
      onFault: (error) => log.error('a request failed for a fault of this program', { error }),
      streamTimes: { deltaMs: 250 },
    });
  }
}
