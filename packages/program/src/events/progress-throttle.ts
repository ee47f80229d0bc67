/** A bar is drawn a few times a second: more progress than that helps no one. */
const PROGRESS_EVERY_MS = 100;

/** Tells progress now and then, and the last of it also when nothing follows: who watches never looks at an old state for long. */
export class ProgressThrottle<T> {
  readonly #tell: (progress: T) => void;
  #timer: NodeJS.Timeout | undefined;
  #pending: { readonly progress: T } | undefined;

  /** @param tell must not throw */
  constructor(tell: (progress: T) => void) {
    this.#tell = tell;
  }

  /** @param atOnce tells it now, whatever was told a moment ago */
  take(progress: T, atOnce = false): void {
    if (this.#timer !== undefined && !atOnce) {
      this.#pending = { progress };
      return;
    }
    this.stop();
    this.#timer = setTimeout(() => this.#next(), PROGRESS_EVERY_MS);
    this.#tell(progress);
  }

  /** What was not told yet is old by now. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending = undefined;
  }

  #next(): void {
    const pending = this.#pending;
    this.stop();
    if (pending !== undefined) this.take(pending.progress);
  }
}
