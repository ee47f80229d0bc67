/** A word that may stand at the cursor, whole. */
export interface Candidate {
  readonly text: string;
  /** A few words for shells that show them. */
  readonly about?: string | undefined;
  /** More of the same word may follow, as after a folder: no space is put behind it. @default false */
  readonly isOpen?: boolean | undefined;
}

/** What may stand at the cursor. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  /** What of this machine's disk may stand there, too. */
  readonly paths?: 'file' | 'folder' | undefined;
}
