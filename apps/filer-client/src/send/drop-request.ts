/** For whom something is dropped in a page. */
export interface DropRequest {
  /** As typed: names, ids, `@group`, `@all`. */
  readonly to: readonly string[];
  readonly note: string;
  /** By what it is known again when its answer was lost; undefined for one that comes once. */
  readonly upload?: Upload | undefined;
}

/** What a page hands over, however often it tries. */
export interface Upload {
  /** The session of the page: an id of another one is another upload. */
  readonly session: string;
  readonly id: string;
}

/** What became of a drop: a job, which waits for who is not there. */
export interface DropOutcome {
  readonly job: string;
  readonly files: number;
  readonly bytes: number;
}
