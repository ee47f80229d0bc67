import { DIGEST_BLOCK_BYTES } from '@filer/protocol';

/*
 * A sum of 1 MiB that moves on by one byte in two multiplications: blocks that are there are found wherever they are. It proves
 * nothing: the digest of a block does.
 *
 *   sum = b[0]·P^(n-1) + b[1]·P^(n-2) + … + b[n-1]   modulo 2^32,  n = 1 MiB,  P = 0x01000193
 */

const P = 0x01000193;
const P2 = Math.imul(P, P);
const P3 = Math.imul(P2, P);
const P4 = Math.imul(P3, P);

/** What a byte that leaves the window takes with it. */
const LEAVING = leaving();

function leaving(): Int32Array {
  let power = 1;
  for (let n = 0; n < DIGEST_BLOCK_BYTES; n++) power = Math.imul(power, P);
  return Int32Array.from({ length: 256 }, (_, byte) => Math.imul(byte, power));
}

/** The sum of 1 MiB, as a signed integer of 32 bits. @param from where it begins */
export function rollingSum(content: Uint8Array, from = 0): number {
  let sum = 0;
  const end = from + DIGEST_BLOCK_BYTES;
  for (let at = from; at < end; at += 4) {
    const four =
      Math.imul(content[at] ?? 0, P3) +
      Math.imul(content[at + 1] ?? 0, P2) +
      Math.imul(content[at + 2] ?? 0, P) +
      (content[at + 3] ?? 0);
    sum = (Math.imul(sum, P4) + four) | 0;
  }
  return sum;
}

/** Sums that are looked for, most of which can be told at a glance not to be a given one. */
export class SoughtSums {
  readonly #glance = new Uint8Array(1 << 16);
  readonly #blocks = new Map<number, number>();

  /** @param block the first one of a sum is found */
  add(sum: number, block: number): void {
    if (this.#blocks.has(sum)) return;
    this.#glance[sum >>> 16] = 1;
    this.#blocks.set(sum, block);
  }

  /** Blocks are added in their order. */
  forgetBefore(block: number): void {
    for (const [sum, known] of this.#blocks) {
      if (known >= block) break;
      this.#blocks.delete(sum);
    }
    this.#glance.fill(0);
    for (const sum of this.#blocks.keys()) this.#glance[sum >>> 16] = 1;
  }

  /**
   * The first place from which on 1 MiB has one of these sums.
   *
   * @param from where to begin, at most `end` @param end no window begins there or after it
   */
  find(
    content: Uint8Array,
    from: number,
    end: number,
  ): { readonly at: number; readonly block: number } | undefined {
    const glance = this.#glance;
    let sum = rollingSum(content, from);
    for (let at = from; at < end; at++) {
      if (glance[sum >>> 16] === 1) {
        const block = this.#blocks.get(sum);
        if (block !== undefined) return { at, block };
      }
      const out = content[at] ?? 0;
      const next = content[at + DIGEST_BLOCK_BYTES] ?? 0;
      sum = (Math.imul(sum, P) + next - (LEAVING[out] ?? 0)) | 0;
    }
    return undefined;
  }
}
