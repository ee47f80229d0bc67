import {
  FilerError,
  formatAddress,
  formatHostPort,
  parseHostPort,
  placeMessage,
  placesMessage,
  reachedMessage,
  reachMessage,
  type Relay,
} from '@filer/protocol';
import { Listeners, type Logger } from '@filer/program';
import type { Member } from './member.ts';
import type { PeerRouter } from './peer-router.ts';
import { RELAY_SCHEME } from './relays.ts';
import type { ServerAccess } from './server-access.ts';

/** How often the server is asked whether this machine is still reachable, in ms. */
const CHECK_MS = 5 * 60_000;

/** The same after a question that was not answered: the server dials a machine back once a minute. */
const CHECK_AGAIN_MS = 65_000;

/** How long the server may take to try it. */
const ANSWER_MS = 10_000;

export interface OwnRelayParts {
  readonly member: Member;
  readonly access: Pick<ServerAccess, 'current'>;
  /** The port for peers hands connections with a token to it. */
  readonly relay: Relay;
  /** Of the port for peers. */
  readonly port: number;
  readonly log: Logger;
}

/**
 * Relays for other members, as the ip-server does, as long as the server can open connections to this machine. Where it
 * relays is published with the addresses of this machine.
 */
export class OwnRelay implements Disposable {
  readonly #parts: OwnRelayParts;
  readonly #moved = new Listeners<[]>();
  /** Tells that it relays somewhere else, or not any more. */
  readonly onMoved = this.#moved.add;
  readonly #forget: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** `host:port` at which the server has reached this machine. */
  #address: string | undefined;
  #isChecking = false;
  #wasTold = false;
  #isClosed = false;

  constructor(parts: OwnRelayParts) {
    this.#parts = parts;
    const { member, relay } = parts;
    this.#forget = member.events.listen(({ type }) => {
      if (type === 'directory') relay.end((id) => member.removals.has(id));
      if (type === 'server') void this.check();
    });
  }

  /** What others read in this machine's record. */
  get addresses(): readonly string[] {
    return this.#address === undefined ? [] : [formatAddress({ scheme: RELAY_SCHEME, rest: this.#address })];
  }

  /** Answers members that ask for a place. */
  route(router: PeerRouter): void {
    router.on(placeMessage, ({ peer }, { peerId }) => {
      const { member, relay } = this.#parts;
      if (this.#address === undefined)
        throw new FilerError('refused', 'this machine is not reachable from outside now, and does not relay');
      if (peer === peerId || member.directory.byId(peer) === undefined || member.removals.has(peer))
        throw new FilerError('refused', 'no other machine of this network has that id');
      const [own, other] = relay.issue(peerId, peer);
      return placesMessage.format({ own, other });
    });
  }

  /** Asks the server whether this machine is reachable, unless that is under way. Rejects with nothing but a bug. */
  async check(): Promise<void> {
    const session = this.#parts.access.current?.session;
    if (session === undefined || this.#isChecking || this.#isClosed) return;
    this.#isChecking = true;
    let nextMs = CHECK_MS;
    try {
      const asked = session.ask(reachMessage.format({ port: this.#parts.port }), { timeoutMs: ANSWER_MS });
      const { reached, address } = reachedMessage.parse(await asked);
      this.#settle(reached ? formatHostPort(parseHostPort(address)) : undefined);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      if (error.code === 'refused' || error.code === 'unsupported') this.#settle(undefined);
      else nextMs = CHECK_AGAIN_MS;
    } finally {
      this.#isChecking = false;
    }
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.check(), nextMs).unref();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#forget();
    this.#parts.relay.close();
  }

  #settle(address: string | undefined): void {
    const { log } = this.#parts;
    if (this.#wasTold && address === this.#address) return;
    this.#wasTold = true;
    this.#address = address;
    this.#moved.tell();
    if (address !== undefined) log.info('this machine relays for other members', { address });
    else
      log.warn('this machine does not relay: the ip-server cannot open a connection to it', {
        remedy: 'open its port, or set --listen and --advertise: see `filer-client doctor`',
      });
  }
}
