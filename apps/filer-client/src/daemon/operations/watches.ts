import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { FilerError, systemCode } from '@filer/protocol';
import { parseSafePath, requireHoldsNoOwn } from '@filer/transfer';
import type { shareMethods, WatchDocument, WatchParams } from '../../api/contract/shares.ts';
import { resolveTargets } from '../../send/targets.ts';
import type { Watch } from '../../store/watch-store.ts';
import { restoreAsides } from '../../watch/asides.ts';
import { isInside, realPlace, requireNoLoop } from '../../watch/places.ts';
import { watchDocument } from '../../watch/watch-document.ts';
import { parseKeptOptions, type WatchOptions } from '../../watch/watch-options.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { requireAbsolute } from './read-path.ts';
import { dryRun } from '../../send/dry-run.ts';
import { requestOf } from '../../watch/shipping.ts';
import { followJob } from './follow-job.ts';
import { findRecipients } from './recipients.ts';
import { readFolder, requireShortNote } from './send.ts';

/** Shorter than a clock of a file system ticks, or longer than anybody waits. */
const SETTLE = { min: 100, max: 86_400_000 };
const RESCAN = { min: 1_000, max: 7 * 86_400_000 };

type Methods = typeof shareMethods;

/** `watch add DIR --to TARGET…` */
export const watchAdd: OperationOf<Methods['watchAdd']> = async (context, params, { signal }) => {
  const { member, daemon } = context;
  const { folder, name, typed } = await readWatch(context, params);
  const isThere = await isFolder(folder);
  await findRecipients(context, typed.to, signal);
  const options = JSON.stringify({ ...typed, ids: idsOf(context, typed.to) });
  const added = member.watches.add({ name, folder, options, addedAt: Date.now() });
  await daemon.watches.add(added);
  return { ...documentOf(context, added), isThere };
};

/** `watch add DIR --to TARGET… --dry-run` */
export const watchPreview: OperationOf<Methods['watchPreview']> = async (context, params, call) => {
  const { emit, signal } = call;
  const { folder, name, typed } = await readWatch(context, params);
  const recipients = await findRecipients(context, typed.to, signal);
  const request = requestOf({ id: 0, name, folder }, typed);
  return followJob(emit, undefined, (tell) => dryRun(context, request, recipients, tell, signal));
};

/** What is to be watched, and how. @throws FilerError */
async function readWatch(
  context: OperationContext,
  params: WatchParams,
): Promise<{ folder: string; name: string; typed: WatchOptions }> {
  const { member, daemon } = context;
  const folder = requireAbsolute(params.folder, 'folder');
  const typed = readOptions(params);
  const place = await realPlace(folder);
  requireNoLoop(place, await realPlace(await daemon.inboxFolder()), member.home);
  for (const each of [folder, typed.moveTo]) if (each !== undefined) requireHoldsNoOwn(each);
  if (typed.moveTo !== undefined && isInside(place, await realPlace(typed.moveTo))) {
    throw new FilerError(
      'usage',
      `--move-to ${JSON.stringify(typed.moveTo)} is in the watched folder: name one outside of it`,
    );
  }
  const name = readName(params.name ?? basename(folder));
  await requireOneKeeper(context, place, typed);
  return { folder, name, typed };
}

/** `watch list` */
export const watchList: OperationOf<Methods['watchList']> = (context) => ({
  watches: context.member.watches.all().map((watch) => documentOf(context, watch)),
});

/** `watch remove NAME|DIR|ID` */
export const watchRemove: OperationOf<Methods['watchRemove']> = async (context, params) => {
  const typed = requireAbsolute(params.folder, 'folder');
  const { id, name, folder } = watchOf(context, params.which, typed);
  const waiting = context.member.watches.deliveries.waiting(id);
  await context.daemon.watches.remove(id);
  restoreAsides(context.member.watches, id); // what cannot be now is at the next start
  context.member.watches.remove(id);
  return { id: String(id), name, folder, waiting };
};

/** The machines that are meant by names: later renames change nothing. @throws FilerError as `resolveTargets` */
function idsOf({ member }: OperationContext, targets: readonly string[]): Record<string, string> {
  const ids: Record<string, string> = {};
  for (const target of targets) {
    const [peer] = target.startsWith('@') ? [] : resolveTargets(member, [target]);
    if (peer !== undefined) ids[target] = peer.id;
  }
  return ids;
}

function documentOf({ member, daemon }: OperationContext, watch: Watch): WatchDocument {
  return watchDocument(member, watch, daemon.watches.standing(watch.id));
}

/** @param folder what was typed, as a path */
function watchOf({ member }: OperationContext, which: string, folder: string): Watch {
  const all = member.watches.all();
  const [first, second] = all.filter(
    (watch) => String(watch.id) === which || watch.name === which || watch.folder === folder,
  );
  const what = JSON.stringify(which);
  if (first === undefined) {
    throw new FilerError(
      'path-missing',
      `there is no watch ${what}: \`filer-client watch list\` shows names, folders and ids`,
    );
  }
  if (second === undefined) return first;
  throw new FilerError('usage', `${what} is more than one watch: name it by its name`);
}

function readOptions(params: WatchParams): WatchOptions {
  const { to, exclude = [], note = '', onConflict = 'update', limit, deleteAfter = false, moveTo } = params;
  const { into = '', links = 'keep', mirror = false } = params;
  const putsAway = deleteAfter ? '--delete-after' : moveTo === undefined ? undefined : '--move-to';
  if (putsAway !== undefined && mirror)
    throw new FilerError(
      'usage',
      `--delete would remove at the recipients what ${putsAway} puts away here: give one of them`,
    );
  if (putsAway !== undefined && links === 'copy')
    throw new FilerError(
      'usage',
      `${putsAway} puts away files of the folder, and with --copy-links they may be elsewhere: give one of them`,
    );
  if (deleteAfter && moveTo !== undefined) {
    throw new FilerError('usage', '--delete-after removes what --move-to would move: give one of them');
  }
  return {
    ids: {},
    to,
    exclude,
    into: readFolder(into),
    links,
    mirror,
    note: requireShortNote(note),
    onConflict,
    limit,
    settleMs: requireBetween(params.settleMs, '--settle', SETTLE, '2s'),
    rescanMs: requireBetween(params.rescanMs, '--rescan', RESCAN, '1m'),
    deleteAfter,
    moveTo: moveTo === undefined ? undefined : requireAbsolute(moveTo, '--move-to'),
  };
}

function requireBetween(
  ms: number,
  flag: string,
  { min, max }: { min: number; max: number },
  example: string,
): number {
  if (ms >= min && ms <= max) return ms;
  throw new FilerError('usage', `${flag} takes from ${min} ms to ${max / 86_400_000}d, such as ${example}`);
}

function readName(name: string): string {
  try {
    if (parseSafePath(name).length === 1) return name;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError('usage', `${error.message}; give what is watched a name with --as`, {
      cause: error,
    });
  }
  throw new FilerError('usage', `${JSON.stringify(name)} is no name for a watch: it has a / in it`);
}

/** @throws FilerError `path-unsupported`, `path-unreadable` */
async function isFolder(folder: string): Promise<boolean> {
  const what = JSON.stringify(folder);
  try {
    if ((await stat(folder)).isDirectory()) return true;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT') return false;
    throw new FilerError('path-unreadable', `${what} cannot be looked at (${code}): change its permissions`, {
      cause: error,
    });
  }
  throw new FilerError('path-unsupported', `${what} is not a folder: watch the folder that contains it`);
}

/** Who puts files away must be the only one that ships them: another watch might not have them yet. */
async function requireOneKeeper(
  { member }: OperationContext,
  place: string,
  { deleteAfter, moveTo }: WatchOptions,
): Promise<void> {
  for (const other of member.watches.all()) {
    const theirs = parseKeptOptions(other.options);
    const puts = deleteAfter || moveTo !== undefined;
    if (!puts && !theirs.deleteAfter && theirs.moveTo === undefined) continue;
    const there = await realPlace(other.folder);
    if (!isInside(place, there) && !isInside(there, place)) continue;
    throw new FilerError(
      'refused',
      `the watch ${JSON.stringify(other.name)} ships files of the same folder, and one of the two takes them away when they are delivered: name all targets in one watch`,
    );
  }
}
