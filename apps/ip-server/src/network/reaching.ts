import {
  FilerError,
  formatHostPort,
  isDialable,
  isLoopback,
  parseHostPort,
  PUNCH,
  punchAnswerMessage,
  punchMessage,
  Rates,
  CONTACT_AT_ONCE,
  CONTACT_PER_SECOND,
  contactAnswerMessage,
  contactedMessage,
  contactMessage,
  RELAY,
  RELAY_AT,
  Relay,
  Rendezvous,
  type PunchAnswer,
} from '@filer/protocol';
import type { EventRing, Logger } from '@filer/program';
import type { ServerEventData } from '../api/contract/events.ts';
import type { Directory } from './directory.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { MemberRouter } from './member-router.ts';

/** Both are told to dial so long from now on, beside their ways to this server, in ms. */
const PUNCH_MARGIN_MS = 20;

/** The longest way that is allowed for, in ms: a satellite's, there and back. */
const MAX_RTT_MS = 2_000;

/** One side of two machines that are to dial each other: it waits for its answer. */
interface Puncher {
  readonly id: string;
  /** Where it is seen. */
  readonly address: string;
  readonly rttMs: number;
  readonly tell: (answer: PunchAnswer) => void;
  readonly fail: (why: FilerError) => void;
}

export interface ReachingParts {
  /** Id of this server. */
  readonly server: string;
  readonly directory: Pick<Directory, 'get'>;
  readonly live: LiveSessions;
  readonly events: EventRing<ServerEventData>;
  readonly relays: boolean;
  readonly bytesPerSecond: number | undefined;
  readonly bytesPerDay: number | undefined;
  readonly log: Logger;
}

/** Helps machines to reach each other that cannot dial each other: tells the other one, relays, and brings both together. */
export class Reaching implements Disposable {
  /** Undefined where this server does not relay. */
  readonly relay: Relay | undefined;
  readonly features: readonly string[];
  readonly #parts: ReachingParts;
  readonly #punchers = new Rendezvous<Puncher>();
  readonly #rates = new Rates({ atOnce: CONTACT_AT_ONCE, perSecond: CONTACT_PER_SECOND });

  readonly #forget: () => void = () => undefined;

  constructor(parts: ReachingParts) {
    this.#parts = parts;
    const { directory, events, relays, bytesPerSecond, bytesPerDay, log } = parts;
    this.features = relays ? [RELAY, PUNCH, RELAY_AT] : [PUNCH, RELAY_AT];
    if (!relays) return;
    const relay = new Relay({
      bytesPerSecond,
      bytesPerDay,
      onEnded: (asker, bytes) => log.info('a relayed connection ended', { peer: this.#nameOf(asker), bytes }),
    });
    this.relay = relay;
    this.#forget = events.listen(({ type, data }) => {
      if (type === 'peer' && directory.get(data.id)?.status !== 'member') relay.end((id) => id === data.id);
    });
  }

  /** Handles what members ask. */
  route(router: MemberRouter): void {
    router
      .on(contactMessage, async ({ peer, relay, punch, relayAt, token }, { connection: { id } }) => {
        this.#requireMember(id, peer);
        const elsewhere = relayAt === undefined ? undefined : this.#placeAt(peer, relayAt, token);
        // Before it is charged: who waits for a place asks often.
        const tokens = relay && relayAt === undefined ? this.#relay.issue(id, peer) : [];
        if (!this.#rates.tryTake(id, 1, performance.now())) {
          if (tokens[0] !== undefined) this.relay?.revoke(tokens[0]);
          throw new FilerError(
            'rate-limited',
            'this machine asked for paths to others too often: try again later',
          );
        }
        const meeting = punch && relayAt === undefined ? this.#bringTogether() : [];
        const { server, live } = this.#parts;
        const told = { peer: id, server, relay: tokens[1], punch: meeting[1] };
        const words = contactedMessage.format(elsewhere === undefined ? told : { peer: id, ...elsewhere });
        const reached = await live.send([peer], words);
        if (reached > 0) return contactAnswerMessage.format({ relay: tokens[0], punch: meeting[0] });
        if (tokens[0] !== undefined) this.relay?.revoke(tokens[0]);
        if (meeting[0] !== undefined) this.#punchers.revoke(meeting[0]);
        throw new FilerError('peer-unreachable', `${this.#nameOf(peer)} is not connected to the ip-server`);
      })
      .on(punchMessage, async ({ token, rttMs }, { connection: { id, messenger } }) => {
        const { promise, resolve, reject } = Promise.withResolvers<PunchAnswer>();
        const puncher = { id, address: messenger.addr, rttMs, tell: resolve, fail: reject };
        if (!this.#punchers.take(token, puncher))
          throw new FilerError('refused', 'this token is not valid: it was used, or is too old');
        void messenger.closed.then(() => this.#punchers.leave(puncher));
        return punchAnswerMessage.format(await promise);
      });
  }

  [Symbol.dispose](): void {
    this.#forget();
    this.relay?.close();
    this.#punchers.close();
  }

  /** @throws FilerError `no-such-peer` */
  #requireMember(id: string, peer: string): void {
    if (peer === id || this.#parts.directory.get(peer)?.status !== 'member')
      throw new FilerError('no-such-peer', 'no other machine of this network has that id');
  }

  /** A place at a member that relays. @throws FilerError `no-such-peer`, `message-malformed` */
  #placeAt(peer: string, relay: string, token: string | undefined): { server: string; relay: string } {
    this.#requireMember(peer, relay);
    if (token !== undefined) return { server: relay, relay: token };
    throw new FilerError('message-malformed', 'relayAt comes with the token of the other machine');
  }

  get #relay(): Relay {
    if (this.relay !== undefined) return this.relay;
    throw new FilerError('unsupported', 'this ip-server does not relay: it runs with --no-relay');
  }

  #bringTogether(): readonly [string, string] {
    const failed = (): FilerError => new FilerError('timed-out', 'the other machine did not come');
    return this.#punchers.issue(
      (a, b) => meet(a, b),
      (waiting) => waiting?.fail(failed()),
    );
  }

  #nameOf(id: string): string {
    return this.#parts.directory.get(id)?.membership.name ?? id;
  }
}

/** Each is told where the other is seen, so that both dial at the same time, whatever their ways to this server. */
function meet(a: Puncher, b: Puncher): void {
  const [ofA, ofB] = [Math.min(a.rttMs, MAX_RTT_MS), Math.min(b.rttMs, MAX_RTT_MS)];
  const longest = Math.max(ofA, ofB);
  const startOf = (rttMs: number): number => Math.round((longest - rttMs) / 2) + PUNCH_MARGIN_MS;
  const [fromA, fromB] = [seenAt(a), seenAt(b)];
  if (fromA === undefined || fromB === undefined) {
    const why = new FilerError('refused', 'the machines are seen at addresses that others cannot dial');
    a.fail(why);
    b.fail(why);
    return;
  }
  a.tell({ address: fromB, startMs: startOf(ofA) });
  b.tell({ address: fromA, startMs: startOf(ofB) });
}

/** @returns undefined for an address that says nothing to another machine */
function seenAt({ address }: Puncher): string | undefined {
  const { host, port } = parseHostPort(address);
  if (!isDialable(host) || isLoopback(host)) return undefined;
  return formatHostPort({ host, port });
}
