import { aborted } from '@filer/protocol';
import { jobIdFor, newJobId } from '../jobs/job-id.ts';
import { SEND_DEFAULTS, shownRequest, type SendRequest } from '../jobs/send-request.ts';
import type { DropOutcome, DropRequest, Upload } from '../send/drop-request.ts';
import type { Drops } from '../send/drops.ts';
import { removeSpooled } from '../send/spool-folder.ts';
import type { OperationContext } from './operation-context.ts';
import { findRecipients } from './operations/recipients.ts';
import { requireShortNote } from './operations/send.ts';

/** A recipient that is lost half-way is tried for as long as one of `send`. */
const TIMEOUT_MS = 60_000;

/**
 * Sends what is dropped on recipients in a page. It is kept on the disk first, so that it can be sent again after a loss, whatever happens to
 * the page. The id of its job follows from that of the upload: so one whose answer was lost is known again for as long as its job is, also
 * after a restart, and nothing is kept for that.
 */
export class DropSender {
  readonly #context: OperationContext;
  readonly #drops: Drops;
  /** What comes in now, by the job that it becomes. */
  readonly #coming = new Map<string, Promise<DropOutcome>>();

  constructor(context: OperationContext, drops: Drops) {
    this.#context = context;
    this.#drops = drops;
  }

  /**
   * @param body as `send/drop-entries.ts` draws it; not read where the upload is known
   * @throws FilerError as `findRecipients` and `Drops.take`
   */
  async send(
    request: DropRequest,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<DropOutcome> {
    const { upload } = request;
    const job = upload === undefined ? newJobId() : jobOf(upload);
    // Of several that waited, another one may be faster.
    do await this.#come(job, signal);
    while (this.#coming.has(job));
    const known = this.#kept(job);
    if (known !== undefined) return known;
    const coming = this.#send(job, request, body, signal);
    this.#coming.set(job, coming);
    try {
      return await coming;
    } finally {
      this.#coming.delete(job);
    }
  }

  /** What an upload has become; waits for one that still comes in. @returns undefined for one that did not come */
  async known(upload: Upload, signal: AbortSignal): Promise<DropOutcome | undefined> {
    const job = jobOf(upload);
    await this.#come(job, signal);
    return this.#kept(job);
  }

  /** Resolves when no try comes in any more. @throws the reason of the signal */
  async #come(job: string, signal: AbortSignal): Promise<void> {
    for (let coming = this.#coming.get(job); coming !== undefined; coming = this.#coming.get(job)) {
      // Why it failed is told to who sent it.
      await Promise.race([coming.catch(() => undefined), aborted(signal)]);
      signal.throwIfAborted();
    }
  }

  #kept(job: string): DropOutcome | undefined {
    const kept = this.#context.member.jobs.job(job);
    if (kept === undefined) return undefined;
    const { droppedFiles = 0, bytesTotal = 0 } = shownRequest(kept.request) ?? {};
    return { job, files: droppedFiles, bytes: bytesTotal };
  }

  async #send(
    id: string,
    { to, note: typed }: DropRequest,
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<DropOutcome> {
    const { jobs } = this.#context;
    const note = requireShortNote(typed);
    // Who is meant is said before anything is read.
    const recipients = await findRecipients(this.#context, to, signal, TIMEOUT_MS);
    const { folder, paths, files, bytes } = await this.#drops.take(body);
    try {
      signal.throwIfAborted();
      jobs.keep({ ...HOW, paths, to, note, droppedFiles: files, bytesTotal: bytes }, recipients, id);
    } catch (error) {
      await removeSpooled([folder], true);
      throw error;
    }
    jobs.begin(id);
    return { job: id, files, bytes };
  }
}

function jobOf({ session, id }: Upload): string {
  return jobIdFor(`upload ${session} ${id}`);
}

const HOW = {
  ...SEND_DEFAULTS,
  spooled: true,
  dropped: true,
  timeoutMs: TIMEOUT_MS,
  onConflict: 'update',
  queue: true,
} as const satisfies SendRequest;
