import type { Drops } from '../send/drops.ts';
import { removeSpooled } from '../send/spool-folder.ts';
import type { SendRequest } from '../jobs/send-request.ts';
import type { OperationContext } from './operation-context.ts';
import { findRecipients } from './operations/recipients.ts';
import { requireShortNote } from './operations/send.ts';

export interface DropRequest {
  /** As typed: names, ids, `@group`, `@all`. */
  readonly to: readonly string[];
  readonly note: string;
}

/** What became of a drop: a job, which waits for who is not there. */
export interface DropOutcome {
  readonly job: string;
  readonly files: number;
  readonly bytes: number;
}

/** A recipient that is lost half-way is tried for as long as one of `send`. */
const TIMEOUT_MS = 60_000;

/**
 * Sends what is dropped on recipients in a page. It is kept on the disk first, so that it can be sent again after a loss, whatever becomes of
 * the page.
 *
 * @param body as `send/drop-entries.ts` draws it
 * @throws FilerError as `findRecipients` and `Drops.take`
 */
export async function sendDropped(
  context: OperationContext,
  drops: Drops,
  { to, note: typed }: DropRequest,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<DropOutcome> {
  const note = requireShortNote(typed);
  // Who is meant is said before anything is read.
  const recipients = await findRecipients(context, to, signal, TIMEOUT_MS);
  const { folder, paths, files, bytes } = await drops.take(body);
  let job: string;
  try {
    signal.throwIfAborted();
    job = context.jobs.keep({ ...HOW, paths, to, note, bytesTotal: bytes }, recipients);
  } catch (error) {
    await removeSpooled([folder], true);
    throw error;
  }
  context.jobs.begin(job);
  return { job, files, bytes };
}

const HOW = {
  as: '',
  into: '',
  spooled: true,
  dropped: true,
  timeoutMs: TIMEOUT_MS,
  onConflict: 'update',
  checksum: false,
  snapshot: false,
  exclude: [],
  mirror: false,
  links: 'keep',
  queue: true,
  limit: undefined,
  watch: 0,
} as const satisfies Partial<SendRequest>;
