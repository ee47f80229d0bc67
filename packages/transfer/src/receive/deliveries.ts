import type { RemovedFile } from '@filer/protocol';

/** What one sender delivered under one path, as its receiver remembers it. */
export interface Delivered {
  /** The digest of a file, `contentOfLink` of a link, or `contentOfFolder`. */
  readonly content: string;
  /** The time that it had once it was in place; undefined where that was not kept. */
  readonly mtimeNs: bigint | undefined;
  /** The job that brought it, or is removing it. */
  readonly job: string;
  /** That job is about to remove it: the size that it has. What is not there any more was removed by it. */
  readonly removing?: number | undefined;
}

/** What one sender delivered, by path relative to the inbox: the newest for each. */
export interface Deliveries {
  find(path: string): Delivered | undefined;
  /** What others delivered under this path is forgotten. Resolves when that is kept. */
  note(path: string, delivered: Delivered): Promise<void>;
  /**
   * This sender has what is there as well: what others delivered under this path is forgotten, so that none of them removes
   * or replaces it.
   *
   * @returns undefined when there was nothing of others
   */
  shared(path: string): Promise<void> | undefined;
  /**
   * What was delivered below a folder, from before a path on, in descending order of the bytes of the paths: what is in a
   * folder comes before it.
   *
   * @param before undefined to begin with the last
   */
  below(folder: string, before: string | undefined, most: number): readonly DeliveredAt[];
}

export interface DeliveredAt extends Delivered {
  readonly path: string;
}

/** The content of a folder that a sender had made: what is in it is remembered for itself. */
export const FOLDER = 'folder';

/** The same of one that was sent without the right of its owner to fill it. */
export const CLOSED_FOLDER = 'folder:closed';

export function contentOfFolder(mode: number): string {
  return isClosed(mode) ? CLOSED_FOLDER : FOLDER;
}

export function isFolder(content: string | undefined): boolean {
  return content === FOLDER || content === CLOSED_FOLDER;
}

/** Whether the owner of a folder of this mode may not read, fill or enter it. */
export function isClosed(mode: number): boolean {
  return (mode & 0o700) !== 0o700;
}

/** Begins the content of a link. */
export const LINK = 'link:';

/** The content of a symbolic link; no digest of a file looks like it. */
export function contentOfLink(target: string): string {
  return `${LINK}${target}`;
}

const REMOVED = 'removed:';

/** The content of what was removed because its sender no longer has it: a job that continues is told about it once more. */
export function contentOfRemoved({
  kind,
  size,
  digest = '',
}: Pick<RemovedFile, 'kind' | 'size' | 'digest'>): string {
  return `${REMOVED}${kind}:${size}:${digest}`;
}

/** @returns undefined for what was not removed */
export function removedOf(content: string): Pick<RemovedFile, 'kind' | 'size' | 'digest'> | undefined {
  if (!content.startsWith(REMOVED)) return undefined;
  const [kind, size, ...digest] = content.slice(REMOVED.length).split(':');
  return {
    ...kindOf(kind ?? ''),
    size: Number(size),
    ...(digest[0] === '' ? {} : { digest: digest.join(':') }),
  };
}

/** What a job is about to remove, as it is told once it is gone. @returns undefined for what it is not */
export function removingOf({
  content,
  removing,
}: Delivered): Pick<RemovedFile, 'kind' | 'size' | 'digest'> | undefined {
  if (removing === undefined) return undefined;
  if (isFolder(content)) return { kind: 'dir', size: 0 };
  return content.startsWith(LINK)
    ? { kind: 'link', size: 0 }
    : { kind: 'file', size: removing, digest: content };
}

function kindOf(kind: string): Pick<RemovedFile, 'kind'> {
  return { kind: kind === 'dir' || kind === 'link' ? kind : 'file' };
}

/** Where nothing is remembered, nothing is the sender's. */
export const NO_DELIVERIES: Deliveries = {
  find: () => undefined,
  note: () => Promise.resolve(),
  shared: () => undefined,
  below: () => [],
};
