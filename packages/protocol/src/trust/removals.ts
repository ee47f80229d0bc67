import { FilerError } from '../errors.ts';
import { DocumentReader, idOfKeyText, requireTrue, signatureHolds, toText } from './document.ts';
import type { KeyPair } from './keys.ts';
import { signedBytes } from './signed.ts';

/** One peer is no member any more: an entry of the network's numbered list, signed by the network's key. */
export interface Removal {
  /** The network's id. */
  readonly network: string;
  readonly networkKey: string;
  /** Its place in the list, from 1. */
  readonly number: number;
  /** Who was removed. */
  readonly id: string;
  /** ms since the epoch */
  readonly removedAt: number;
  readonly signature: string;
}

const KEYS = ['network', 'networkKey', 'number', 'id', 'removedAt', 'signature'];

function removalBytes(removal: Omit<Removal, 'signature'>): Buffer {
  return signedBytes('removal', {
    network: removal.network,
    networkKey: removal.networkKey,
    number: String(removal.number),
    id: removal.id,
    removedAt: String(removal.removedAt),
  });
}

/** @throws FilerError `message-malformed` for what no one would accept */
export function signRemoval(
  networkKey: KeyPair,
  { number, id, removedAt }: Pick<Removal, 'number' | 'id' | 'removedAt'>,
): Removal {
  const removal = {
    network: networkKey.id,
    networkKey: toText(networkKey.publicKey),
    number,
    id,
    removedAt,
  };
  return parseRemoval({ ...removal, signature: toText(networkKey.sign(removalBytes(removal))) });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export function parseRemoval(value: unknown): Removal {
  const removal = new DocumentReader(value, 'removal', KEYS);
  return {
    network: removal.id('network'),
    networkKey: removal.publicKey('networkKey'),
    number: removal.integer('number', 1),
    id: removal.id('id'),
    removedAt: removal.integer('removedAt'),
    signature: removal.signature('signature'),
  };
}

/** @param network the id that the caller trusts @throws FilerError `signature-invalid` */
export function verifyRemoval(removal: Removal, network: string): void {
  const what = `removal ${removal.number}`;
  requireTrue(removal.network === network, what, 'it is of another network');
  requireTrue(idOfKeyText(removal.networkKey) === network, what, 'its network key is another one');
  const holds = signatureHolds(removal.networkKey, removalBytes(removal), removal.signature);
  requireTrue(holds, what, 'the network has not signed it');
}

/** The network's removals, 1 to `number` without a gap. It only grows. */
export class RemovalList {
  readonly #network: string;
  readonly #entries: Removal[] = [];
  readonly #ids = new Set<string>();

  /** @throws FilerError as `append` */
  constructor(network: string, entries: Iterable<Removal> = []) {
    this.#network = network;
    for (const entry of entries) this.append(entry);
  }

  /** How many there are, which is the number of the last. */
  get number(): number {
    return this.#entries.length;
  }

  get entries(): readonly Removal[] {
    return this.#entries;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Those with a higher number: what a side lacks whose list ends there. */
  after(number: number): Removal[] {
    return this.#entries.slice(Math.max(0, number));
  }

  /**
   * Takes the next one.
   *
   * @throws FilerError `signature-invalid`, or `verification-failed` when its number is not the next
   */
  append(removal: Removal): void {
    verifyRemoval(removal, this.#network);
    const next = this.number + 1;
    if (removal.number !== next) {
      throw new FilerError('verification-failed', `removal ${removal.number} came where ${next} is the next`);
    }
    this.#entries.push(removal);
    this.#ids.add(removal.id);
  }
}
