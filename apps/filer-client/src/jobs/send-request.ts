import { basename, dirname, relative } from 'node:path';
import { FilerError } from '@filer/protocol';
import * as v from 'valibot';
import type { Ways } from '../network/paths.ts';
import { conflict, kept, keptFlag, keptLinks, keptText, keptTexts, parseKept } from '../store/kept-json.ts';

const keptRequest = v.object({
  /** Absolute paths of files and folders on this machine. */
  paths: keptTexts,
  /** What the one path is called at the receivers; empty for its own name. */
  as: keptText,
  /** The folder in which the paths are put at the receivers, below what their pattern says; empty for none. */
  into: keptText,
  /** Whether the paths are of our own, which came from standard input or a page, and go when everyone has them. */
  spooled: keptFlag,
  /** Whether the paths are what a person dropped in a page, of which the home keeps a copy, in a folder of this job. */
  dropped: keptFlag,
  /** How many files were dropped; 0 for what was not. */
  droppedFiles: kept(v.number(), 0),
  /** As typed: names, ids, `@group`, `@all`. */
  to: keptTexts,
  note: keptText,
  /** How long a recipient that was lost half-way is tried again. */
  timeoutMs: kept(v.number(), 60_000),
  /** Of the files among `paths`; what is in folders is found while they are sent. */
  bytesTotal: kept(v.number(), 0),
  onConflict: kept(conflict, 'rename'),
  checksum: keptFlag,
  /** Whether files that are written to meanwhile go up to the size that they had when they were found. */
  snapshot: keptFlag,
  /** Patterns of what in the folders stays here, as in a `.gitignore`. */
  exclude: keptTexts,
  /** Whether recipients remove what they were sent before below the folders, and is no longer here. */
  mirror: keptFlag,
  /** Whether it is put under a hidden name, until it is released. */
  stage: keptFlag,
  /** What to do with links in the folders. */
  links: keptLinks,
  /** Whether it waits for recipients that are not there. */
  queue: keptFlag,
  /** Bytes a second at most, to all recipients together. */
  limit: v.optional(v.number()),
  /** Whether it goes from here to each recipient, over no other machine. */
  directOnly: keptFlag,
  /** Whether it goes over a relay alone. */
  relayOnly: keptFlag,
  /** The watch that made it: what of its folder, the one path, is to go stands in `job_files`. 0 for none. */
  watch: kept(v.number(), 0),
});

type Kept = v.InferOutput<typeof keptRequest>;

/** What is to be sent, and how: all of it is kept with the job, so that it can go again. */
export type SendRequest = Readonly<Omit<Kept, 'limit'>> & { readonly limit: number | undefined };

/** What was not said otherwise. */
export const SEND_DEFAULTS: SendRequest = { ...v.parse(keptRequest, {}), limit: undefined };

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

export type SentLinks = SendRequest['links'];

/**
 * A request as it was kept. What an older version did not keep has its default.
 *
 * @throws FilerError `store-damaged`
 */
export function parseKeptRequest(json: string): SendRequest {
  const request = shownRequest(json);
  if (request !== undefined) return request;
  throw new FilerError(
    'store-damaged',
    'a job in the database cannot be read: restore the home from a backup',
  );
}

/** The same for a list: undefined for one that cannot be read. */
export function shownRequest(json: string): SendRequest | undefined {
  const request = parseKept(keptRequest, json);
  return request && { ...request, limit: request.limit };
}

const keptPull = v.object({ kind: v.literal('pull'), path: v.string() });

/** What was fetched, of a job that stands for that; undefined for one that was sent. */
export function pulledPath(request: string): string | undefined {
  return parseKept(keptPull, request)?.path;
}
