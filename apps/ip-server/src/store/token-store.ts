import type { Role } from '@filer/program';

/** Lets its holder in over HTTP. The token itself is known to who has it alone. Times in ms since the epoch. */
export interface StoredToken {
  readonly id: string;
  /** Whose it is, or what for, as it was given. */
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, hex. */
  readonly digest: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** When it let in last, to within a minute. */
  readonly usedAt: number | undefined;
}

/** So many are kept at once; a person who has a hundred does not know any more who has them. */
export const MAX_TOKENS = 1_000;

/** Who may come in over HTTP. */
export interface TokenStore {
  /** Adds one; expired ones go. @param most are kept @default MAX_TOKENS @returns false when there are so many already */
  add(token: Omit<StoredToken, 'usedAt'>, now: number, most?: number): Promise<boolean>;
  /** In the order in which they were made. */
  all(): Promise<StoredToken[]>;
  byDigest(digest: string): Promise<StoredToken | undefined>;
  byId(id: string): Promise<StoredToken | undefined>;
  /** It has let somebody in. */
  used(id: string, at: number): Promise<void>;
  /** @returns what it was; undefined when there is none */
  remove(id: string): Promise<StoredToken | undefined>;
}
