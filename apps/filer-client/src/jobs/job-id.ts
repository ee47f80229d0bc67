import { createHash, randomBytes } from 'node:crypto';

/** Short enough to be typed, in letters and digits alone, none of which begins an option: 80 random bits. */
export function newJobId(): string {
  return lettersOf(randomBytes(16));
}

/** The same for every time that a job is asked for under one name, so that it is kept once. @param name random in its part */
export function jobIdFor(name: string): string {
  return lettersOf(createHash('sha256').update(name).digest().subarray(0, 16));
}

function lettersOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => 'abcdefghjkmnpqrstvwxyz0123456789'[byte % 32]).join('');
}
