import { FilerError } from './errors.ts';
import { GIVE_UP_AFTER_MS, PING_AFTER_MS } from './limits.ts';

export interface KeepAliveOptions {
  /** Silence before a ping, in ms. @default PING_AFTER_MS */
  readonly pingAfterMs?: number;
  /** Silence before the connection is given up, in ms. @default GIVE_UP_AFTER_MS */
  readonly giveUpAfterMs?: number;
}

interface Link {
  ping(): unknown;
  giveUp(error: FilerError): void;
  /** Whether the other side's silence tells nothing, because we do not read at the moment. */
  isDeaf(): boolean;
}

/** Pings through silence and gives up on a dead link. TCP's own keepalive does not free a waiting sender. */
export class KeepAlive {
  readonly #link: Link;
  #pingAfterMs: number;
  #giveUpAfterMs: number;
  #heardAt = performance.now();
  #dueAt = 0;
  #stopped = false;
  #timer: NodeJS.Timeout;

  constructor(link: Link, options: KeepAliveOptions) {
    this.#link = link;
    this.#pingAfterMs = options.pingAfterMs ?? PING_AFTER_MS;
    this.#giveUpAfterMs = options.giveUpAfterMs ?? GIVE_UP_AFTER_MS;
    this.#timer = this.#arm(this.#pingAfterMs);
  }

  /** Other times from now on; those that are not given stay. */
  change({ pingAfterMs = this.#pingAfterMs, giveUpAfterMs = this.#giveUpAfterMs }: KeepAliveOptions): void {
    if (this.#stopped || (pingAfterMs === this.#pingAfterMs && giveUpAfterMs === this.#giveUpAfterMs)) return;
    this.#pingAfterMs = pingAfterMs;
    this.#giveUpAfterMs = giveUpAfterMs;
    clearTimeout(this.#timer);
    this.#timer = this.#arm(pingAfterMs);
  }

  /** Something arrived. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(ms: number): NodeJS.Timeout {
    this.#dueAt = performance.now() + ms;
    return setTimeout(() => this.#check(), ms).unref();
  }

  #check(): void {
    const now = performance.now();
    // A check that comes far too late (a stopped process, a blocked loop) says that we did not listen.
    const deaf = this.#link.isDeaf();
    if (deaf || now - this.#dueAt > this.#pingAfterMs) this.#heardAt = now;
    const silentMs = now - this.#heardAt;
    if (silentMs >= this.#giveUpAfterMs) {
      const seconds = Math.round(silentMs / 1000);
      this.#link.giveUp(new FilerError('connection-silent', `nothing was heard for ${seconds} s`));
      return;
    }
    // While deaf we answer no ping: ours tell the other side that we are there.
    if (deaf || silentMs >= this.#pingAfterMs) {
      this.#link.ping();
      if (this.#stopped) return; // the ping found the queue too long
      this.#timer = this.#arm(Math.min(this.#pingAfterMs, this.#giveUpAfterMs - silentMs + 1));
    } else {
      this.#timer = this.#arm(this.#pingAfterMs - silentMs + 1);
    }
  }
}
