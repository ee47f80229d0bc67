import { FilerError } from '@filer/protocol';
import type { ServiceContext } from './request-handler.ts';
import type { Work } from './work.ts';

export interface RequestPoolOptions {
  readonly maxServed: number;
  readonly maxWaiting: number;
  readonly onRefused: (from: string, why: string) => void;
  readonly onFailed: (error: unknown, from: string) => void;
}

/** Somebody who asked for exactly one request to be served. */
interface Taker {
  readonly served: () => void;
}

/**
 * At most so many requests are served at once; the rest wait in order, so many at most, and are refused beyond.
 * Nothing is begun unless it was asked for: one by one, or all that come.
 */
export class RequestPool {
  readonly #options: RequestPoolOptions;
  readonly #context: ServiceContext;
  readonly #waiting = new Set<Work>();
  readonly #serving = new Map<Work, Promise<void>>();
  readonly #takers = new Set<Taker>();
  #servesAll = false;
  served = 0;
  refused = 0;

  constructor(options: RequestPoolOptions, context: ServiceContext) {
    this.#options = options;
    this.#context = context;
  }

  get serving(): number {
    return this.#serving.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether all that comes is served. */
  set servesAll(all: boolean) {
    this.#servesAll = all;
    this.#begin();
  }

  /** Takes a request: to be begun now, to wait, or to be refused. @returns whether it waits */
  offer(work: Work): boolean {
    this.#waiting.add(work);
    this.#begin();
    if (!this.#waiting.has(work)) return false;
    if (this.#waiting.size <= this.#options.maxWaiting) return true;
    this.#waiting.delete(work);
    const why = `${this.serving} requests are served and ${this.waiting} wait already`;
    this.#refuse(work, new FilerError('too-many-connections', why));
    return false;
  }

  /** A request that waited left by itself. */
  leave(work: Work): void {
    this.#waiting.delete(work);
  }

  /** The next request is served for this one. @returns a function that takes the wish back, unless it is too late */
  take(served: () => void): () => boolean {
    const taker = { served };
    this.#takers.add(taker);
    this.#begin();
    return () => this.#takers.delete(taker);
  }

  /** Refuses all that wait. */
  refuseWaiting(reason: FilerError): void {
    for (const work of this.#waiting) this.#refuse(work, reason);
    this.#waiting.clear();
  }

  /** Gives up what is being served. */
  dropServed(reason: FilerError): void {
    for (const work of this.#serving.keys()) work.drop(reason);
  }

  /** Resolves when nothing that is served now is served any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#serving.values());
  }

  #refuse(work: Work, reason: FilerError): void {
    this.refused++;
    work.drop(reason);
    this.#options.onRefused(work.from, reason.message);
  }

  #begin(): void {
    for (const work of this.#waiting) {
      if (this.#serving.size >= this.#options.maxServed) return;
      const [taker] = this.#takers;
      if (taker === undefined && !this.#servesAll) return;
      if (taker !== undefined) this.#takers.delete(taker);
      this.#waiting.delete(work);
      this.#serving.set(work, this.#serve(work, taker));
    }
  }

  async #serve(work: Work, taker: Taker | undefined): Promise<void> {
    try {
      await work.run(this.#context);
    } catch (error) {
      this.#options.onFailed(error, work.from);
    } finally {
      this.#serving.delete(work);
      this.served++;
      taker?.served();
      this.#begin();
    }
  }
}
