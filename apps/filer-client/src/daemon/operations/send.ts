import { sep } from 'node:path';
import { FilerError, MAX_NOTE_CHARS } from '@filer/protocol';
import { inspectSource, parseSafePath, requireHoldsNoOwn } from '@filer/transfer';
import { ignoreRules } from '../../jobs/ignore-rules.ts';
import type { sendMethods } from '../../api/contract/send.ts';
import { dryRun } from '../../send/dry-run.ts';
import { waysOf, type SendRequest } from '../../jobs/send-request.ts';
import { finish, followJob } from './follow-job.ts';
import type { OperationOf } from '../operation-context.ts';
import { requireAbsolute } from './read-path.ts';
import { findRecipients } from './recipients.ts';

/** `send PATH… --to TARGET…` */
export const send: OperationOf<typeof sendMethods.send> = async (context, params, { emit, signal }) => {
  const {
    to,
    timeoutMs,
    onConflict = 'update',
    exclude = [],
    links = 'keep',
    mirror = false,
    stage = false,
    limit,
  } = params;
  const { checksum = false, snapshot = false, queue = false, spooled = false, summed = false } = params;
  const { directOnly = false, relayOnly = false } = params;
  waysOf(params);
  const named = params.paths.map((path, index) => requireAbsolute(path, `paths[${index}]`));
  const as = readName(params.as ?? '', named);
  const into = readFolder(params.into ?? '');
  const note = requireShortNote(params.note ?? '');
  const paths = [...new Set(named)];
  if (!spooled) for (const path of paths) requireNoSecrets(path, exclude);
  await context.daemon.prepareTransfers();
  const { bytes: bytesTotal, hasFolder } = await sizeOf(paths);
  if (mirror && !hasFolder)
    throw new FilerError('usage', '--delete removes what a folder no longer has: give it a folder to send');
  if (stage && onConflict !== 'update' && onConflict !== 'overwrite')
    throw new FilerError(
      'usage',
      `--stage replaces what it is released over: --on-conflict is update or overwrite, and not ${onConflict}`,
    );
  if (stage && (params.spooled === true || snapshot))
    throw new FilerError(
      'usage',
      '--stage needs files that are whole: not standard input, and no --snapshot',
    );
  const recipients = await findRecipients(context, to, signal, timeoutMs);
  const kept = { paths, as, into, spooled, dropped: false, droppedFiles: 0, to, note, timeoutMs, bytesTotal };
  const how = { onConflict, checksum, snapshot, exclude, links, mirror, stage, queue, limit };
  const ways = { directOnly, relayOnly };
  const request: SendRequest = { ...kept, ...how, ...ways, watch: 0 };
  return followJob(emit, summed ? paths : undefined, (tell) =>
    params.dryRun === true
      ? dryRun(context, request, recipients, tell, signal)
      : finish(context.jobs.submit(request, recipients, tell, context.growing), signal),
  );
};

/** What the one path is to be called; empty for its own name. */
function readName(name: string, paths: readonly string[]): string {
  if (name === '') return name;
  if (paths.length !== 1)
    throw new FilerError(
      'usage',
      `--as names a single path, and ${paths.length} paths were given: send them one by one`,
    );
  try {
    if (parseSafePath(name).length === 1) return name;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError('usage', `--as: ${error.message}`, { cause: error });
  }
  throw new FilerError('usage', `--as ${JSON.stringify(name)} is a path: give a name, such as --as x.tar`);
}

/** A folder at the receivers, as it stands before the names of what is sent; empty for none. */
export function readFolder(folder: string): string {
  if (folder === '') return '';
  const path = folder.replace(/\/+$/, '');
  try {
    return parseSafePath(path).join('/');
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError(
      'usage',
      `--into: ${error.message}; name a folder at the receiver, such as --into reports/2026`,
      { cause: error },
    );
  }
}

/** A folder that holds this machine's key may go without it. @throws FilerError `refused` */
function requireNoSecrets(path: string, exclude: readonly string[]): void {
  const ignored = ignoreRules(exclude);
  requireHoldsNoOwn(path, {
    leavesOut: (below) => {
      const components = below.split(sep);
      return components.some((_, n) => ignored(path, components.slice(0, n + 1).join('/'), true));
    },
    advice: 'send a folder without them, or leave them out with --exclude',
  });
}

/** @throws FilerError `too-large` */
export function requireShortNote(note: string): string {
  if (note.length <= MAX_NOTE_CHARS) return note;
  throw new FilerError(
    'too-large',
    `the note is ${note.length} characters long, the limit is ${MAX_NOTE_CHARS}: send a longer text as a file`,
  );
}

/**
 * What the files among the paths hold now, in bytes; folders are walked while they are sent. When nothing can be sent it fails here, before anyone is bothered;
 * of several paths one that cannot be sent fails for itself, later.
 *
 * @throws FilerError `path-missing`, `path-unreadable`, `path-unsupported`
 */
async function sizeOf(paths: readonly string[]): Promise<{ bytes: number; hasFolder: boolean }> {
  let bytes = 0;
  let hasFolder = false;
  const failures: FilerError[] = [];
  for (const file of paths) {
    try {
      const { kind, size } = await inspectSource({ file });
      hasFolder ||= kind === 'dir';
      bytes = Math.min(bytes + size, Number.MAX_SAFE_INTEGER);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined || failures.length < paths.length) return { bytes, hasFolder };
  if (paths.length === 1) throw first;
  throw new FilerError(first.code, `none of the ${paths.length} paths can be sent: ${first.message}`, {
    cause: first,
  });
}
