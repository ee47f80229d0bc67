/** Something that was changed, or was to be. Times in ms since the epoch. */
export interface NewAuditEntry {
  readonly time: number;
  /** Id of the token; `local` for a command on the server's machine. */
  readonly by: string;
  /** Name of the token, as it was then. */
  readonly name: string;
  /** The method. */
  readonly action: string;
  /** What of. */
  readonly target: string;
}

export interface AuditEntry extends NewAuditEntry {
  readonly number: number;
  /** `ok`, or the code of the failure; undefined until its end, and of what a crash has cut. */
  readonly result: string | undefined;
  readonly endedAt: number | undefined;
}

/**
 * So many are kept: years of what people do. Beyond, those who caused most lose their oldest: who fills the list on purpose hides
 * nothing that others did.
 */
export const MAX_AUDIT_ENTRIES = 10_000;

/** A target is cut to so many UTF-16 units: a line of a list. */
export const MAX_AUDIT_TARGET = 200;

/** Who changed what. */
export interface AuditStore {
  /** @param most are kept @default MAX_AUDIT_ENTRIES @returns its number */
  begin(entry: NewAuditEntry, most?: number): Promise<number>;
  end(number: number, result: string, time: number): Promise<void>;
  /** The newest ones, oldest first. @param before only those with a lower number */
  last(limit: number, before?: number): Promise<AuditEntry[]>;
}
