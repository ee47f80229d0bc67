import {
  FilerError,
  signText,
  TEXT_VALID_MS,
  unlessAborted,
  type ErrorCode,
  type Session,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import { isPassing } from '../jobs/while-lost.ts';
import type { Outreach } from '../network/outreach.ts';
import { tellText } from '../network/tell-text.ts';
import { PeerBackoff } from '../send/peer-backoff.ts';
import type { QueuedText } from '../store/queued-text-store.ts';

export interface TextCourierOptions {
  readonly outreach: Outreach;
  /** The session that is kept with a peer. */
  readonly sessionWith: (peerId: string) => Session | undefined;
  readonly log: Logger;
}

/** What waits is looked at this often, in ms: a pause may be over, or a command may have left a text. */
const LOOK_EVERY_MS = 2_000;

/** A receiver refuses what is dated more than `TEXT_VALID_MS` ago; what waited for longer is dated so long before its delivery. */
const OLDEST_MS = TEXT_VALID_MS / 2;

/** A recipient makes room some day. */
function isPassingForText(code: ErrorCode): boolean {
  return code === 'no-space' || isPassing(code);
}

/** Delivers queued texts when their recipients are there: to each of them in order, several side by side. */
export class TextCourier {
  readonly #options: TextCourierOptions;
  readonly #backoff = new PeerBackoff();
  /** By peer: what waits for it goes in order. */
  readonly #running = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TextCourierOptions) {
    this.#options = options;
  }

  /** Begins to try what waits. */
  start(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  /** A peer came online, or connected to us. */
  peerSeen(peerId: string): void {
    this.#backoff.seen(peerId);
    if (this.#timer !== undefined) this.#look(peerId);
  }

  /** Delivers what waits for a peer now. Never rejects: why something still waits stands at it. */
  async deliver(peerId: string, signal?: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])]);
    for (
      let before = this.#running.get(peerId);
      before !== undefined && !stop.aborted;
      before = this.#running.get(peerId)
    )
      await unlessAborted(before, stop).catch(() => undefined);
    if (stop.aborted) return;
    const running = this.#deliverAll(peerId, stop).finally(() => this.#running.delete(peerId));
    this.#running.set(peerId, running);
    await running;
  }

  /** Whether the directory of now says that a peer is not there. */
  isAway(peerId: string): boolean {
    const { member, access } = this.#options.outreach;
    return access.current !== undefined && member.directory.byId(peerId)?.state !== 'online';
  }

  /** Whether a peer can never be told: what waits for it has failed. */
  #isGone(peerId: string): boolean {
    const { member } = this.#options.outreach;
    return member.removals.has(peerId) || member.directory.byId(peerId)?.state === 'gone';
  }

  /** What runs ends; it is sent again later. May be called twice. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort(new FilerError('terminated', 'filer-client is stopping'));
    await Promise.all(this.#running.values());
  }

  /** A database that fails now is tried again later: nothing that waits is lost. */
  #look(only?: string): void {
    const { outreach, log } = this.#options;
    const { queuedTexts, network } = outreach.member;
    try {
      for (const peerId of queuedTexts.awaited(network)) {
        if (only !== undefined && peerId !== only) continue;
        if (this.#running.has(peerId) || (this.isAway(peerId) && !this.#isGone(peerId))) continue;
        if (this.#backoff.isDue(peerId, performance.now())) void this.deliver(peerId);
      }
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('queued messages could not be checked', { error });
    }
  }

  async #deliverAll(peerId: string, signal: AbortSignal): Promise<void> {
    const { outreach, log } = this.#options;
    const { queuedTexts, network } = outreach.member;
    try {
      for (const text of queuedTexts.waitingFor(peerId, network)) {
        if (signal.aborted || !(await this.#deliverOne(text, signal))) return;
      }
      this.#backoff.reached(peerId);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      log.warn('a queued message could not be noted as delivered, and is sent again', { error });
    }
  }

  /** @returns whether the next one may follow */
  async #deliverOne(text: QueuedText, signal: AbortSignal): Promise<boolean> {
    const { outreach, sessionWith, log } = this.#options;
    const { member } = outreach;
    const { id, network, peer: peerId, name, to } = text;
    const facts = { message: id, recipient: name };
    const time = Math.max(text.time, Date.now() - OLDEST_MS);
    try {
      const peer = member.directory.byId(peerId);
      if (peer === undefined || this.#isGone(peerId))
        throw new FilerError('no-such-peer', `${name} has left the network, or was removed from it`);
      const signed = signText(member.identity, { id, network, to, time, text: text.text });
      await tellText(outreach, sessionWith(peerId), peer, signed, signal);
    } catch (error) {
      if (!(error instanceof FilerError) || this.#closing.signal.aborted) {
        if (error instanceof FilerError) return false;
        throw error;
      }
      const waits = signal.aborted || isPassingForText(error.code);
      member.queuedTexts.note(text, waits ? 'waiting' : 'failed', error.message);
      if (waits) this.#backoff.failed(peerId, performance.now(), Math.random());
      else log.warn('a queued message cannot be delivered', { ...facts, reason: error.message });
      return !waits;
    }
    // An error of the own database is no refusal of the recipient.
    member.queuedTexts.remove(text);
    log.info('a queued message was delivered', facts);
    return true;
  }
}
