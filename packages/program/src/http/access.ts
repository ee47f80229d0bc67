import { createHash, randomBytes } from 'node:crypto';
import type { Caller } from '../rpc/implement.ts';
import { ROLES, type Role } from '../rpc/method.ts';

/** Who may come in over HTTP. What is kept of a token is its digest. */
export interface Tokens {
  /** @returns undefined for one that is unknown, revoked or expired */
  byDigest(digest: string): Promise<Caller | undefined>;
  byId(id: string): Promise<Caller | undefined>;
  /** @param listener gets the id of a token that was revoked, at once @returns what ends the listening */
  onRevoked(listener: (id: string) => void): () => void;
  /**
   * A browser has shown a token, and gets a session of its own.
   *
   * @param browser as it calls itself
   * @returns who the session is of, by an id that `byId` knows from now on @default that of the token: it ends with that
   */
  beginSession?(caller: Caller, browser: string): Promise<Caller>;
  /** A browser signs out. @param id as `beginSession` gave it */
  endSession?(id: string): unknown;
}

/** Random bytes of a token: it cannot be guessed. */
const TOKEN_BYTES = 32;

/** A new secret; it is shown once. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/** What is kept of a token. It needs no salt: the token is random. */
export function digestOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function mayCall(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
