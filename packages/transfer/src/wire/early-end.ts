import { FilerError } from '@filer/protocol';

/** Why a transfer ends before all of it is done: the first reason counts. */
export class EarlyEnd {
  readonly #side: 'sender' | 'receiver';
  readonly #onFirst: (reason: FilerError) => void;
  #reason: FilerError | undefined;
  #bug: Error | undefined;

  /** @param onFirst told about the first reason: whatever waits must learn of it */
  constructor(side: 'sender' | 'receiver', onFirst: (reason: FilerError) => void) {
    this.#side = side;
    this.#onFirst = onFirst;
  }

  get reason(): FilerError | undefined {
    return this.#reason;
  }

  /** The transfer ends early. What is no FilerError is a bug of ours, which `throwBug` throws at the end. */
  by(error: unknown): void {
    if (!(error instanceof FilerError)) this.#bug ??= bugOf(error);
    if (this.#reason !== undefined) return;
    this.#reason =
      error instanceof FilerError ? error : new FilerError('internal', `the ${this.#side} failed`);
    this.#onFirst(this.#reason);
  }

  /** An offer was refused: an orderly end, after which the channel stays open. */
  refused(reason: FilerError): void {
    this.#reason ??= reason;
  }

  /** @throws a bug of ours, if one ended the transfer */
  throwBug(): void {
    if (this.#bug !== undefined) throw this.#bug;
  }
}

/** What was thrown and is no FilerError: it continues to end the process loudly. */
export function bugOf(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error('something that is no error was thrown', { cause: thrown });
}
