import type { ClientEvents } from '../api/contract/events.ts';

/** How often something is published while anything is transferred: how fast it goes is measured over time. */
const PULSE_MS = 500;

/** Tells that something is sent or received: when it begins, while it runs, and when it ends. */
export class TransferPulse {
  readonly #events: ClientEvents;
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(events: ClientEvents) {
    this.#events = events;
  }

  /** A transfer begins. @returns what ends it; call it once */
  begin(): () => void {
    this.#running++;
    this.#timer ??= setInterval(() => this.#tell(), PULSE_MS).unref();
    this.#tell();
    return () => {
      this.#running--;
      if (this.#running === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
      this.#tell();
    };
  }

  #tell(): void {
    this.#events.publish('transfer', {});
  }
}
