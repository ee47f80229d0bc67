/** What one sender delivered under one path, as its receiver remembers it. */
export interface Delivered {
  /** The digest of a file, `contentOfLink` of a link, or `FOLDER`. */
  readonly content: string;
  /** The time that it had once it was in place; undefined where that was not kept. */
  readonly mtimeNs: bigint | undefined;
  /** The job that brought it. */
  readonly job: string;
}

/** What one sender delivered, by path relative to the inbox: the newest for each. */
export interface Deliveries {
  find(path: string): Delivered | undefined;
  /** Resolves when it is kept. */
  note(path: string, delivered: Delivered): Promise<void>;
}

/** The content of a folder that a sender had made: what lies in it is remembered for itself. */
export const FOLDER = 'folder';

/** The content of a symbolic link; no digest of a file looks like it. */
export function contentOfLink(target: string): string {
  return `link:${target}`;
}

/** Where nothing is remembered, nothing is the sender's. */
export const NO_DELIVERIES: Deliveries = {
  find: () => undefined,
  note: () => Promise.resolve(),
};
