import { CONFLICTS, fieldsOf, FilerError, integerOf, listOf, MAX_NOTE_CHARS, textOf } from '@filer/protocol';
import { inspectSource, parseSafePath } from '@filer/transfer';
import { dryRun } from '../../jobs/dry-run.ts';
import type { SendRequest } from '../../jobs/send-request.ts';
import { finish, followJob } from './follow-job.ts';
import type { Operation } from '../site.ts';
import { readPath } from './read-path.ts';
import { findRecipients } from './recipients.ts';

export type { SendDone } from '../../jobs/send-events.ts';

const MAX_PATHS = 100_000;
const MAX_TARGETS = 10_000;
const MAX_EXCLUDES = 1_000;

/** `send PATH… --to TARGET…` */
export const send: Operation = async (site, params, { emit, signal, growing }) => {
  const fields = fieldsOf(params, 'send');
  const paths = listOf(fields['paths'], 'paths', MAX_PATHS, readPath);
  const to = listOf(fields['to'], 'to', MAX_TARGETS, (value, what) =>
    textOf(value, what, { max: Number.POSITIVE_INFINITY }),
  );
  const as = readName(fields['as'] ?? '', paths);
  const note = readNote(fields['note'] ?? '');
  const timeoutMs = integerOf(fields['timeoutMs'], 'timeoutMs');

  const onConflict = CONFLICTS.find((each) => each === (fields['onConflict'] ?? 'update'));
  if (onConflict === undefined)
    throw new FilerError('usage', `onConflict is none of ${CONFLICTS.join(', ')}`);
  const exclude = listOf(fields['exclude'] ?? [], 'exclude', MAX_EXCLUDES, (value, what) =>
    textOf(value, what, { max: 4_096 }),
  );
  const checksum = fields['checksum'] === true;

  const unique = [...new Set(paths)];
  const bytesTotal = await sizeOf(unique);
  const recipients = await findRecipients(site, to, signal);
  const queue = fields['queue'] === true;
  const limit = fields['limit'] === undefined ? undefined : integerOf(fields['limit'], 'limit', 1);
  const request: SendRequest = {
    paths: unique,
    as,
    spooled: fields['spooled'] === true,
    to,
    note,
    timeoutMs,
    bytesTotal,
    onConflict,
    checksum,
    snapshot: fields['snapshot'] === true,
    exclude,
    queue,
    limit,
    watch: 0,
  };
  return followJob(emit, fields['summed'] === true ? unique : undefined, (tell) =>
    fields['dryRun'] === true
      ? dryRun(request, recipients, tell, signal)
      : finish(site.jobs.submit(request, recipients, tell, growing), signal),
  );
};

/** What the one path is to be called; empty for its own name. */
function readName(value: unknown, paths: readonly string[]): string {
  const name = textOf(value, 'as', { max: Number.POSITIVE_INFINITY });
  if (name === '') return name;
  if (paths.length !== 1)
    throw new FilerError(
      'usage',
      `--as names one thing, and ${paths.length} paths were given: send them one by one`,
    );
  try {
    if (parseSafePath(name).length === 1) return name;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError('usage', `--as: ${error.message}`, { cause: error });
  }
  throw new FilerError('usage', `--as ${JSON.stringify(name)} is a path: give a name, such as --as x.tar`);
}

/** @throws FilerError `too-large` */
export function readNote(value: unknown): string {
  const note = textOf(value, 'note', { max: Number.POSITIVE_INFINITY });
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
async function sizeOf(paths: readonly string[]): Promise<number> {
  let bytes = 0;
  const failures: FilerError[] = [];
  for (const file of paths) {
    try {
      bytes = Math.min(bytes + (await inspectSource({ file })).size, Number.MAX_SAFE_INTEGER);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined || failures.length < paths.length) return bytes;
  if (paths.length === 1) throw first;
  throw new FilerError(first.code, `none of the ${paths.length} paths can be sent: ${first.message}`, {
    cause: first,
  });
}
