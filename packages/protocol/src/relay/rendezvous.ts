import { randomBytes } from 'node:crypto';
import { RELAY_MEET_MS, RELAY_TOKEN_MS } from '../limits.ts';

interface Pair<T> {
  readonly tokens: readonly [string, string];
  readonly meet: (first: T, second: T) => void;
  readonly fail: (waiting: T | undefined) => void;
  timer: NodeJS.Timeout;
  waiting?: { readonly token: string; readonly comer: T };
}

/** Brings two together that have nothing in common but a token each, for one use within `RELAY_TOKEN_MS`. */
export class Rendezvous<T> {
  readonly #pairs = new Map<string, Pair<T>>();
  readonly #tokenMs: number;

  constructor(tokenMs = RELAY_TOKEN_MS) {
    this.#tokenMs = tokenMs;
  }

  /**
   * @param meet called when both have come, in the order of their tokens
   * @param fail called when they will not meet, with the one that has come
   */
  issue(meet: Pair<T>['meet'], fail: Pair<T>['fail']): Pair<T>['tokens'] {
    const tokens = [newToken(), newToken()] as const;
    const timer = setTimeout(() => this.#drop(pair), this.#tokenMs);
    const pair: Pair<T> = { tokens, meet, fail, timer };
    for (const token of tokens) this.#pairs.set(token, pair);
    return tokens;
  }

  /** One has come. @returns false for a token that was never issued, was used, or is too old */
  take(token: string, comer: T): boolean {
    const pair = this.#pairs.get(token);
    if (pair === undefined) return false;
    this.#pairs.delete(token);
    if (pair.waiting === undefined) {
      pair.waiting = { token, comer };
      clearTimeout(pair.timer);
      pair.timer = setTimeout(() => this.#drop(pair), Math.min(this.#tokenMs, RELAY_MEET_MS));
      return true;
    }
    clearTimeout(pair.timer);
    const isSecond = token === pair.tokens[1];
    const { comer: other } = pair.waiting;
    if (isSecond) pair.meet(other, comer);
    else pair.meet(comer, other);
    return true;
  }

  /** Those that have this token and its other one will not come: it is worth nothing. */
  revoke(token: string): void {
    const pair = this.#pairs.get(token);
    if (pair !== undefined) this.#drop(pair);
  }

  /** The one that has come with a token does not wait any longer: they will not meet. */
  leave(comer: T): void {
    for (const pair of this.#pairs.values()) if (pair.waiting?.comer === comer) this.#drop(pair);
  }

  /** No one waits any more. */
  close(): void {
    for (const pair of this.#pairs.values()) this.#drop(pair);
  }

  #drop(pair: Pair<T>): void {
    clearTimeout(pair.timer);
    for (const token of pair.tokens) this.#pairs.delete(token);
    pair.fail(pair.waiting?.comer);
  }
}

function newToken(): string {
  return randomBytes(32).toString('base64url');
}
