import { basename, dirname, relative } from 'node:path';
import { CONFLICTS, FilerError, type OnConflict } from '@filer/protocol';
import type { Links } from '@filer/transfer';
import type { Ways } from '../network/paths.ts';

/** What is to be sent, and how: all of it is kept with the job, so that it can go again. */
export interface SendRequest {
  /** Absolute paths of files and folders on this machine. */
  readonly paths: readonly string[];
  /** What the one path is called at the receivers; empty for its own name. */
  readonly as: string;
  /** The folder in which the paths are put at the receivers, below what their pattern says; empty for none. */
  readonly into: string;
  /** Whether the paths are of our own, which came from standard input or a page, and go when everyone has them. */
  readonly spooled: boolean;
  /** Whether the paths are what a person dropped in a page, of which the home keeps a copy, in a folder of this job. */
  readonly dropped: boolean;
  /** How many files were dropped; 0 for what was not. */
  readonly droppedFiles: number;
  /** As typed: names, ids, `@group`, `@all`. */
  readonly to: readonly string[];
  readonly note: string;
  /** How long a recipient that was lost half-way is tried again. */
  readonly timeoutMs: number;
  /** Of the files among `paths`; what is in folders is found while they are sent. */
  readonly bytesTotal: number;
  readonly onConflict: OnConflict;
  readonly checksum: boolean;
  /** Whether files that are written to meanwhile go up to the size that they had when they were found. */
  readonly snapshot: boolean;
  /** Patterns of what in the folders stays here, as in a `.gitignore`. */
  readonly exclude: readonly string[];
  /** Whether recipients remove what they were sent before below the folders, and is no longer here. */
  readonly mirror: boolean;
  /** Whether it is put under a hidden name, until it is released. */
  readonly stage: boolean;
  /** What to do with links in the folders. */
  readonly links: SentLinks;
  /** Whether it waits for recipients that are not there. */
  readonly queue: boolean;
  /** Bytes a second at most, to all recipients together. */
  readonly limit: number | undefined;
  /** Whether it goes from here to each recipient, over no other machine. */
  readonly directOnly: boolean;
  /** Whether it goes over a relay alone. */
  readonly relayOnly: boolean;
  /** The watch that made it: what of its folder, the one path, is to go stands in `job_files`. 0 for none. */
  readonly watch: number;
}

/** The paths that a person has allowed. */
export function waysOf({
  directOnly,
  relayOnly,
}: {
  readonly directOnly?: boolean | undefined;
  readonly relayOnly?: boolean | undefined;
}): Ways {
  if (directOnly === true && relayOnly === true)
    throw new FilerError('usage', '--direct-only and --relay-only exclude each other: give one of them');
  return directOnly === true ? 'direct' : relayOnly === true ? 'relay' : 'any';
}

/** What a person typed to send what the home keeps in a file of its own. */
export const STANDARD_INPUT = '-';

/** What one of the paths is called at the receivers. */
export function nameThere({ as, into }: Pick<SendRequest, 'as' | 'into'>, path: string): string {
  const name = as === '' ? basename(path) : as;
  return into === '' ? name : `${into}/${name}`;
}

/** What was named, as a person knows it. */
export function namedPaths(request: SendRequest): readonly string[] {
  return request.paths.map((path) => shownPath(request, path));
}

/** A file of a job, as a person knows it. @param request undefined for one that cannot be read */
export function shownPath(
  request: Pick<SendRequest, 'paths' | 'spooled' | 'dropped'> | undefined,
  path: string,
): string {
  if (request?.dropped === true) return relative(dirname(request.paths[0] ?? ''), path);
  return request?.spooled === true ? STANDARD_INPUT : path;
}

export type SentLinks = Exclude<Links, 'require'>;

export const LINKS: readonly SentLinks[] = ['keep', 'copy', 'skip'];

/** What was not said otherwise. */
export const SEND_DEFAULTS: SendRequest = {
  paths: [],
  as: '',
  into: '',
  spooled: false,
  dropped: false,
  droppedFiles: 0,
  to: [],
  note: '',
  timeoutMs: 60_000,
  bytesTotal: 0,
  onConflict: 'rename',
  checksum: false,
  snapshot: false,
  exclude: [],
  mirror: false,
  stage: false,
  links: 'keep',
  queue: false,
  limit: undefined,
  directOnly: false,
  relayOnly: false,
  watch: 0,
};

/**
 * A request as it was kept. What an older version did not keep has its default.
 *
 * @throws FilerError `store-damaged`
 */
export function parseKeptRequest(json: string): SendRequest {
  const value = parseObject(json);
  if (value === undefined) {
    throw new FilerError(
      'store-damaged',
      'a job in the database cannot be read: restore the home from a backup',
    );
  }
  const kept = new Map<string, unknown>(Object.entries(value));
  const textsOf = (key: string): string[] => {
    const list = kept.get(key);
    return Array.isArray(list) ? list.map(String) : [];
  };
  const numberOf = (key: 'timeoutMs' | 'bytesTotal' | 'droppedFiles' | 'watch'): number =>
    Number(kept.get(key) ?? SEND_DEFAULTS[key]);
  return {
    paths: textsOf('paths'),
    as: textOr(kept.get('as'), SEND_DEFAULTS.as),
    into: textOr(kept.get('into'), SEND_DEFAULTS.into),
    spooled: kept.get('spooled') === true,
    dropped: kept.get('dropped') === true,
    droppedFiles: numberOf('droppedFiles'),
    to: textsOf('to'),
    note: textOr(kept.get('note'), SEND_DEFAULTS.note),
    timeoutMs: numberOf('timeoutMs'),
    bytesTotal: numberOf('bytesTotal'),
    onConflict: CONFLICTS.find((each) => each === kept.get('onConflict')) ?? SEND_DEFAULTS.onConflict,
    checksum: kept.get('checksum') === true,
    snapshot: kept.get('snapshot') === true,
    exclude: textsOf('exclude'),
    mirror: kept.get('mirror') === true,
    stage: kept.get('stage') === true,
    links: LINKS.find((each) => each === kept.get('links')) ?? SEND_DEFAULTS.links,
    queue: kept.get('queue') === true,
    limit: kept.get('limit') === undefined ? SEND_DEFAULTS.limit : Number(kept.get('limit')),
    directOnly: kept.get('directOnly') === true,
    relayOnly: kept.get('relayOnly') === true,
    watch: numberOf('watch'),
  };
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

/** The same for a list: undefined for one that cannot be read. */
export function shownRequest(json: string): SendRequest | undefined {
  return parseObject(json) === undefined ? undefined : parseKeptRequest(json);
}

/** What was fetched, of a job that stands for that; undefined for one that was sent. */
export function pulledPath(request: string): string | undefined {
  const kept = parseObject(request);
  const isPull = kept !== undefined && 'kind' in kept && kept.kind === 'pull';
  return isPull && 'path' in kept ? String(kept.path) : undefined;
}

function parseObject(json: string): object | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
