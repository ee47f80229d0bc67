import { randomBytes } from 'node:crypto';

/** Short enough to be typed, in letters and digits alone, none of which begins an option: 80 random bits. */
export function newJobId(): string {
  const bytes = randomBytes(16);
  return Array.from(bytes, (byte) => 'abcdefghjkmnpqrstvwxyz0123456789'[byte % 32]).join('');
}
