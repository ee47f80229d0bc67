import { createHash } from 'node:crypto';
import { FilerError } from '../errors.ts';
import { MAX_REMOVALS_PER_MESSAGE } from '../limits.ts';
import { id, idOfKeyText, integer, publicKey, requireTrue, signedKind, toText } from './document.ts';
import type { KeyPair } from './keys.ts';

const REMOVAL = signedKind('removal', 'removal', {
  /** The network's id. */
  network: id,
  networkKey: publicKey,
  /** Its place in the list, from 1. */
  number: integer(1),
  /** Who was removed. */
  id,
  /** ms since the epoch */
  removedAt: integer(),
});

/** One peer is no member any more: an entry of the network's numbered list, signed by the network's key. */
export interface Removal extends ReturnType<typeof REMOVAL.parse> {}

/** @throws FilerError `message-malformed` for what no one would accept */
export function signRemoval(
  networkKey: KeyPair,
  claims: Pick<Removal, 'number' | 'id' | 'removedAt'>,
): Removal {
  const network = { network: networkKey.id, networkKey: toText(networkKey.publicKey) };
  return REMOVAL.signParsed(networkKey, { ...network, ...claims });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export const parseRemoval: (value: unknown) => Removal = REMOVAL.parse;

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyRemoval(removal: Removal, network: string): void {
  const what = `removal ${removal.number}`;
  requireTrue(removal.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(removal.networkKey) === network, what, 'its network key is another one');
  requireTrue(REMOVAL.holds(removal, removal.networkKey), what, 'the network has not signed it');
}

/**
 * The network's removals: 1 to `number` without a gap. It only grows. Two removals may have one number, where a server
 * was restored from a backup and signed again what it had lost: both count, and lists are merged by what is in them.
 */
export class RemovalList {
  readonly #network: string;
  /** In order of number, then of id. */
  readonly #entries: Removal[] = [];
  readonly #keys = new Set<string>();
  readonly #ids = new Set<string>();
  readonly #digests = new Map<number, string>();

  /** @throws FilerError as `merge` */
  constructor(network: string, entries: Iterable<Removal> = []) {
    this.#network = network;
    for (const entry of entries) this.merge(entry);
  }

  /** The highest number, 0 for an empty list. */
  get number(): number {
    return this.#entries.at(-1)?.number ?? 0;
  }

  /** In order of number, then of id. */
  get all(): readonly Removal[] {
    return this.#entries;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Digest of the entries up to a number: equal on two machines when they know the same of them. */
  digestAt(number: number): string {
    const upTo = Math.min(number, this.number);
    const known = this.#digests.get(upTo);
    if (known !== undefined) return known;
    const hash = createHash('sha256');
    for (const entry of this.#entries.slice(0, this.#firstAbove(upTo))) hash.update(keyOf(entry));
    const digest = hash.digest('base64url');
    this.#digests.set(upTo, digest);
    return digest;
  }

  /** Entries with a higher number, at most a message full; entries with one number are not cut apart. */
  page(after: number): Removal[] {
    const from = this.#firstAbove(after);
    const next = this.#entries[from + MAX_REMOVALS_PER_MESSAGE];
    if (next === undefined) return this.#entries.slice(from);
    const end = this.#firstAbove(next.number - 1);
    return this.#entries.slice(from, end > from ? end : from + MAX_REMOVALS_PER_MESSAGE);
  }

  /** @throws FilerError as `check`, and `verification-failed` when its number is not the next */
  checkNext(removal: Removal): void {
    const next = this.number + 1;
    if (removal.number !== next) throw outOfOrder(removal, next);
    this.check(removal);
  }

  /**
   * @returns false for one that is known
   * @throws FilerError `signature-invalid`, or `verification-failed` when numbers before it are missing
   */
  check(removal: Removal): boolean {
    if (this.#keys.has(keyOf(removal))) return false;
    const next = this.number + 1;
    if (removal.number > next) throw outOfOrder(removal, next);
    verifyRemoval(removal, this.#network);
    return true;
  }

  /**
   * Adds one that another machine knows.
   *
   * @returns false when it is known
   * @throws FilerError as `check`
   */
  merge(removal: Removal): boolean {
    if (!this.check(removal)) return false;
    this.add(removal);
    return true;
  }

  /** Adds one that was checked. */
  add(removal: Removal): void {
    let index = this.#firstAbove(removal.number);
    for (; index > 0; index--) {
      const before = this.#entries[index - 1];
      if (before === undefined || before.number < removal.number || before.id < removal.id) break;
    }
    this.#entries.splice(index, 0, removal);
    this.#keys.add(keyOf(removal));
    this.#ids.add(removal.id);
    this.#digests.clear();
  }

  /** Index of the first entry with a higher number. */
  #firstAbove(number: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.number ?? 0) <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function keyOf({ number, id }: Removal): string {
  return `${number} ${id}\n`;
}

function outOfOrder({ number }: Removal, next: number): FilerError {
  return new FilerError('verification-failed', `removal ${number} came where ${next} is the next`);
}
