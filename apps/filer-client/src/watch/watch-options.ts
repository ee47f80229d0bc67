import { FilerError } from '@filer/protocol';
import * as v from 'valibot';
import { conflict, kept, keptFlag, keptLinks, keptText, keptTexts, parseKept } from '../store/kept-json.ts';

const keptOptions = v.object({
  /** As typed: names, ids, `@group`, `@all`. */
  to: keptTexts,
  /** The id of the machine that each of these names meant when the watch was added. */
  ids: kept(v.record(v.string(), v.string()), {}),
  /** Patterns of what stays here, as in a `.gitignore`. */
  exclude: keptTexts,
  /** The folder at the recipients in which the watched one is put; empty for none. */
  into: keptText,
  /** What to do with links in the folder. */
  links: keptLinks,
  /** Whether recipients remove what they were sent before, and is no longer here. */
  mirror: keptFlag,
  note: keptText,
  onConflict: kept(conflict, 'overwrite'),
  /** Bytes a second at most, to all recipients of a job together. */
  limit: v.optional(v.number()),
  /** So long a file must have stayed the same before it goes, in ms. */
  settleMs: v.number(),
  /** The whole folder is looked through this often, for what no event told about, in ms. */
  rescanMs: v.number(),
  /** Whether a file is removed once everyone has it. */
  deleteAfter: keptFlag,
  /** Where a file goes once everyone has it; absolute. */
  moveTo: v.optional(v.string()),
});

/** How a folder is watched: all that is kept of a `watch add` beside its folder and its name. */
export type WatchOptions = Readonly<v.InferOutput<typeof keptOptions>>;

/** @throws FilerError `store-damaged` */
export function parseKeptOptions(json: string): WatchOptions {
  const options = parseKept(keptOptions, json);
  if (options !== undefined) return options;
  throw new FilerError(
    'store-damaged',
    'a watch in the database cannot be read: restore the home from a backup',
  );
}
