import { CONFLICTS, FilerError, type OnConflict } from '@filer/protocol';
import { LINKS, type SentLinks } from '../jobs/send-request.ts';

/** How a folder is watched: all that is kept of a `watch add` beside its folder and its name. */
export interface WatchOptions {
  /** As typed: names, ids, `@group`, `@all`. */
  readonly to: readonly string[];
  /** The id of the machine that each of these names meant when the watch was added. */
  readonly ids: Readonly<Record<string, string>>;
  /** Patterns of what stays here, as in a `.gitignore`. */
  readonly exclude: readonly string[];
  /** The folder at the recipients in which the watched one is put; empty for none. */
  readonly into: string;
  /** What to do with links in the folder. */
  readonly links: SentLinks;
  /** Whether recipients remove what they were sent before, and is no longer here. */
  readonly mirror: boolean;
  readonly note: string;
  readonly onConflict: OnConflict;
  /** Bytes a second at most, to all recipients of a job together. */
  readonly limit: number | undefined;
  /** So long a file must have stayed the same before it goes, in ms. */
  readonly settleMs: number;
  /** The whole folder is looked through this often, for what no event told about, in ms. */
  readonly rescanMs: number;
  /** Whether a file is removed once everyone has it. */
  readonly deleteAfter: boolean;
  /** Where a file goes once everyone has it; absolute. */
  readonly moveTo: string | undefined;
}

/** @throws FilerError `store-damaged` */
export function parseKeptOptions(json: string): WatchOptions {
  const kept = new Map<string, unknown>(Object.entries(parseObject(json)));
  const textsOf = (key: string): string[] => {
    const list = kept.get(key);
    return Array.isArray(list) ? list.map(String) : [];
  };
  const { limit, moveTo, note, into } = Object.fromEntries(kept);
  return {
    to: textsOf('to'),
    ids: idsOf(kept.get('ids')),
    exclude: textsOf('exclude'),
    into: typeof into === 'string' ? into : '',
    links: LINKS.find((each) => each === kept.get('links')) ?? 'keep',
    mirror: kept.get('mirror') === true,
    note: typeof note === 'string' ? note : '',
    onConflict: CONFLICTS.find((each) => each === kept.get('onConflict')) ?? 'overwrite',
    limit: limit === undefined ? undefined : Number(limit),
    settleMs: Number(kept.get('settleMs')),
    rescanMs: Number(kept.get('rescanMs')),
    deleteAfter: kept.get('deleteAfter') === true,
    moveTo: typeof moveTo === 'string' ? moveTo : undefined,
  };
}

function idsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).map(([target, id]) => [target, String(id)]));
}

function parseObject(json: string): object {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // told below
  }
  throw new FilerError(
    'store-damaged',
    'a watch in the database cannot be read: restore the home from a backup',
  );
}
