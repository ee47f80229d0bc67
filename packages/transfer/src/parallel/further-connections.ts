import { FilerError, MAX_PARALLEL_OPENED, parallelOfMessage } from '@filer/protocol';
import { send } from '../wire/channel.ts';
import type { ParallelConnection } from './outgoing-segments.ts';

/** Opens a further connection, on which nothing of the transfer was said. @throws FilerError why it cannot be opened */
export type OpenParallel = (signal: AbortSignal) => Promise<ParallelConnection>;

/** The connections that one side of a transfer opens beside the first one. Those that cannot be opened are done without. */
export class FurtherConnections {
  readonly #open: OpenParallel;
  readonly #stop: AbortSignal;
  readonly #opened: (connection: ParallelConnection) => void;
  #opening = 0;
  /** Also those that failed: the other side may ask for them without end. */
  #tries = 0;

  /**
   * @param stop ends those that are being opened
   * @param opened takes one whose other end knows which transfer it is of
   */
  constructor(open: OpenParallel, stop: AbortSignal, opened: (connection: ParallelConnection) => void) {
    this.#open = open;
    this.#stop = stop;
    this.#opened = opened;
  }

  /** How many are being opened. */
  get opening(): number {
    return this.#opening;
  }

  /** Begins so many, as far as `MAX_PARALLEL_OPENED` allows. @param token of the transfer, by its other side */
  begin(connections: number, token: string): void {
    const most = Math.min(connections, MAX_PARALLEL_OPENED - this.#tries);
    for (let n = 0; n < most; n++) void this.#begin(token);
  }

  async #begin(token: string): Promise<void> {
    this.#tries++;
    this.#opening++;
    try {
      const connection = await this.#open(this.#stop);
      await send(connection, parallelOfMessage.format({ token }));
      this.#opened(connection);
    } catch (error) {
      if (!(error instanceof FilerError) && !this.#stop.aborted) throw error;
    } finally {
      this.#opening--;
    }
  }
}
