import { randomBytes } from 'node:crypto';
import {
  FilerError,
  MAX_MEASURE_PIECE_BYTES,
  MEASURE_BYTES,
  measureBackMessage,
  measuredMessage,
  measureEndMessage,
  measureGrantedMessage,
  measureMessage,
  measurePieceMessage,
  MEASURE_MS,
  MEASURES_AT_ONCE,
  MEASURES_IN_ALL_AT_ONCE,
  MEASURES_IN_ALL_PER_SECOND,
  MEASURES_PER_SECOND,
  Rates,
  type Reply,
  type Session,
} from '@filer/protocol';
import type { Member } from './member.ts';
import type { PeerRouter } from './peer-router.ts';

/** Beyond the time of a measurement, in ms: what was sent in time may still be on its way. */
const LATE_MS = 10_000;

/** Who is charged for what all machines cause together. */
const ALL = '';

/** What a measurement has brought, as the receiving side counts. */
export class PieceCount {
  #first: number | undefined;
  #last = 0;
  #bytes = 0;
  #total = 0;

  take(bytes: number): void {
    const now = performance.now();
    this.#last = now;
    this.#total += bytes;
    // The first piece has come when its time begins.
    if (this.#first === undefined) this.#first = now;
    else this.#bytes += bytes;
  }

  /** Of all pieces, the first among them. */
  get total(): number {
    return this.#total;
  }

  get result(): { readonly bytes: number; readonly ms: number } {
    return { bytes: this.#bytes, ms: Math.round(this.#last - (this.#first ?? this.#last)) };
  }
}

/** A measurement that was permitted to one session. */
interface Grant {
  readonly received: PieceCount;
  readonly endsAt: number;
  hasSentBack: boolean;
}

export interface MeasurementsParts {
  readonly member: Pick<Member, 'limits'>;
  /** Whether this machine permits any. */
  readonly permits: boolean;
  /** Of each direction. @default MEASURE_MS */
  readonly ms?: number | undefined;
}

/** Lets other members measure how fast bytes go to this machine and back, for a few seconds now and then. */
export class Measurements {
  readonly #parts: MeasurementsParts;
  readonly #rates = new Rates({ atOnce: MEASURES_AT_ONCE, perSecond: MEASURES_PER_SECOND });
  readonly #inAll = new Rates({ atOnce: MEASURES_IN_ALL_AT_ONCE, perSecond: MEASURES_IN_ALL_PER_SECOND });
  readonly #grants = new WeakMap<Session, Grant>();
  readonly #ms: number;
  #runsUntil = 0;

  constructor(parts: MeasurementsParts) {
    this.#ms = parts.ms ?? MEASURE_MS;
    this.#parts = parts;
  }

  /** Answers what belongs to measurements from now on. */
  route(router: PeerRouter): void {
    router
      .on(measureMessage, (_, { peerId, session }) => this.#grant(peerId, session))
      .onUnparsed(measurePieceMessage, ({ content }, { session }) => this.#take(session, content.length))
      .on(measureEndMessage, (_, { session }) => {
        const { received } = this.#of(session);
        return measuredMessage.format(received.result);
      })
      .on(measureBackMessage, (_, { session }, { header }) => {
        const grant = this.#of(session);
        if (grant.hasSentBack || header['id'] === undefined) throw notGranted();
        grant.hasSentBack = true;
        // Not awaited: what else is asked is answered meanwhile.
        void this.#sendBack(session, header['id']);
        return undefined;
      });
  }

  #grant(peerId: string, session: Session): Reply {
    const now = performance.now();
    if (!this.#parts.permits)
      throw new FilerError('refused', 'this machine permits no measurement (measure)');
    if (now < this.#runsUntil) throw busy('another machine measures here now', this.#runsUntil - now);
    if (this.#rates.left(peerId, now) < 1)
      throw busy('you have measured here in the last minutes', this.#rates.waitMs(peerId, 1, now));
    if (!this.#inAll.tryTake(ALL, 1, now))
      throw busy('others have measured here in the last minute', this.#inAll.waitMs(ALL, 1, now));
    this.#rates.take(peerId, 1, now);
    const endsAt = now + 2 * this.#ms + LATE_MS;
    this.#runsUntil = endsAt;
    this.#grants.set(session, { received: new PieceCount(), endsAt, hasSentBack: false });
    void session.closed
      .catch(() => undefined)
      .then(() => {
        if (this.#runsUntil === endsAt) this.#runsUntil = 0;
      });
    return measureGrantedMessage.format({ maxBytes: MEASURE_BYTES, maxMs: this.#ms });
  }

  /** @throws FilerError `refused` without a measurement that is permitted now */
  #of(session: Session): Grant {
    const grant = this.#grants.get(session);
    if (grant === undefined || performance.now() > grant.endsAt) throw notGranted();
    return grant;
  }

  async #take(session: Session, bytes: number): Promise<undefined> {
    const grant = this.#grants.get(session);
    const isPermitted =
      grant !== undefined &&
      performance.now() <= grant.endsAt &&
      bytes <= MAX_MEASURE_PIECE_BYTES &&
      grant.received.total + bytes <= MEASURE_BYTES;
    if (!isPermitted) {
      // It has no id, so it is not answered: who sends it breaks the agreement.
      session.messenger.reject(notGranted());
      return;
    }
    grant.received.take(bytes);
    await this.#parts.member.limits.receive.take(bytes, AbortSignal.timeout(LATE_MS));
    return;
  }

  /** Never rejects: an end of the connection is the end of it. */
  async #sendBack(session: Session, re: string): Promise<void> {
    try {
      const bounds = { maxMs: this.#ms, signal: AbortSignal.timeout(this.#ms + LATE_MS) };
      const sent = await sendPieces(this.#parts.member, session, { re, more: '1' }, bounds);
      const { header } = measuredMessage.format(sent);
      await session.notify({ ...header, re });
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
    }
  }
}

/** Where a measurement ends. */
interface PieceBounds {
  readonly maxBytes?: number;
  readonly maxMs?: number;
  readonly signal: AbortSignal;
}

/**
 * Sends pieces for the time of a measurement, at most as fast as this machine's limit for what it sends allows.
 *
 * @param more beside the type in their headers
 * @param options bounds beside those of this machine; nothing more is sent once `signal` is aborted
 * @throws FilerError `connection-closed`
 */
export async function sendPieces(
  { limits: { send } }: Pick<Member, 'limits'>,
  session: Session,
  more: Readonly<Record<string, string>>,
  { maxBytes = MEASURE_BYTES, maxMs = MEASURE_MS, signal }: PieceBounds,
): Promise<{ readonly bytes: number; readonly ms: number }> {
  const content = randomBytes(MAX_MEASURE_PIECE_BYTES);
  const count = new PieceCount();
  const endsAt = performance.now() + maxMs;
  while (performance.now() < endsAt && count.total < maxBytes) {
    const bytes = Math.min(content.length, maxBytes - count.total, send.pieceBytes);
    await send.take(bytes, signal);
    if (signal.aborted) break;
    const { header } = measurePieceMessage.format({ content });
    await session.notify({ ...header, ...more }, content.subarray(0, bytes));
    count.take(bytes);
  }
  return count.result;
}

function busy(why: string, waitMs: number): FilerError {
  const seconds = Math.ceil(waitMs / 1_000);
  return new FilerError('rate-limited', `no measurement now, since ${why}: try again in ${seconds} s`);
}

function notGranted(): FilerError {
  return new FilerError('refused', 'no measurement was permitted to this session');
}
