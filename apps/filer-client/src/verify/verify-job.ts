import {
  askBounded,
  BoundedAnswer,
  EXIT_CODES,
  FilerError,
  formatHolding,
  formatHoldingFile,
  HOLDING_BOUNDS,
  HOLDING_BYTES_PER_SECOND,
  MAX_HOLDING_BYTES,
  parseHeld,
  type ErrorCode,
  type HeldAnswer,
  type HoldingFile,
  type Session,
} from '@filer/protocol';
import type { VerifyDone, VerifyRecipient, VerifyTrouble } from '../api/contract/transfers.ts';
import type { Member } from '../network/member.ts';
import type { KeptDelivery, KeptJob } from '../store/job-rows.ts';
import { keptReceipts, type KeptReceipt } from '../jobs/kept-receipts.ts';
import { keptRemovals } from '../jobs/kept-removals.ts';

export interface VerifyOptions {
  readonly member: Member;
  readonly job: KeptJob;
  /** Opens a session with a recipient; undefined not to ask anyone. */
  readonly reach: ((peerId: string) => Promise<{ session: Session; close: () => Promise<void> }>) | undefined;
  readonly emit: (trouble: VerifyTrouble) => void;
  /** Aborted when recipients have had their time. */
  readonly deadline: AbortSignal;
  readonly signal: AbortSignal;
}

/** Checks what the recipients of a job have signed, and whether they still have it. */
export async function verifyJob(options: VerifyOptions): Promise<VerifyDone> {
  const { member, job, reach } = options;
  const recipients: VerifyRecipient[] = [];
  for (const delivery of member.jobs.deliveries(job.id))
    recipients.push(await verifyRecipient(delivery, options));
  const exitCode = exitCodeOf(recipients);
  return {
    type: 'done',
    job: job.id,
    ok: exitCode === 0,
    exitCode,
    asked: reach !== undefined,
    recipients,
  };
}

async function verifyRecipient(delivery: KeptDelivery, options: VerifyOptions): Promise<VerifyRecipient> {
  const { job, emit, reach } = options;
  const { name, peer: id } = delivery;
  const about = { type: 'trouble', job: job.id, recipient: name, recipientId: id } as const;
  const files = new Map<string, Asked>();
  let badSignatures = 0;
  for (const receipt of keptReceipts(options.member, job, id)) {
    if ('signatureOk' in receipt && receipt.signatureOk) {
      files.set(receipt.receivedAs, { ...receipt, path: receipt.receivedAs, here: receipt.path });
      continue;
    }
    badSignatures++;
    const { path, receivedAs, digest } =
      'signatureOk' in receipt ? receipt : { path: null, receivedAs: null, digest: null };
    emit({ ...about, path, receivedAs, digest, problem: 'signature' });
  }
  for (const { path, receivedAs, signatureOk } of keptRemovals(options.member, job, id)) {
    if (signatureOk) continue;
    badSignatures++;
    emit({ ...about, path, receivedAs, digest: null, problem: 'signature' });
  }
  const held = { same: 0, changed: 0, gone: 0, unknown: 0 };
  const failure =
    reach === undefined || files.size === 0
      ? undefined
      : await ask(reach, id, files.values(), options, ({ here: path, path: receivedAs, digest }, answer) => {
          held[answer]++;
          if (answer !== 'same') emit({ ...about, path, receivedAs, digest, problem: answer });
        });
  const counts = { files: files.size, badSignatures, held: reach === undefined ? null : held };
  return { name, id, ...verdict(delivery, counts, failure), ...counts };
}

/** A receipt as it is asked about: `path` is the receiver's. */
type Asked = Omit<KeptReceipt, 'path'> & { readonly path: string; readonly here: string };

async function ask(
  reach: NonNullable<VerifyOptions['reach']>,
  peerId: string,
  files: Iterable<Asked>,
  { deadline, signal }: VerifyOptions,
  onAnswer: (file: Asked, answer: HeldAnswer) => void,
): Promise<FilerError | undefined> {
  try {
    const { session, close } = await reach(peerId);
    try {
      await askHolding(session, files, deadline, onAnswer);
    } finally {
      await close();
    }
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FilerError) return error;
    throw error;
  }
}

function verdict(
  { name, state, status, code, bytesSent }: KeptDelivery,
  { files, badSignatures, held }: Pick<VerifyRecipient, 'files' | 'badSignatures' | 'held'>,
  failure: FilerError | undefined,
): Pick<VerifyRecipient, 'ok' | 'code' | 'status'> {
  const signed = files === 1 ? '1 file signed for' : `${files} files signed for`;
  const bad = (words: string, why: ErrorCode): Pick<VerifyRecipient, 'ok' | 'code' | 'status'> => ({
    ok: false,
    code: why,
    status: words,
  });
  if (badSignatures > 0)
    return bad(
      `${badSignatures} receipts are not what ${name} signed: the database was changed`,
      'signature-invalid',
    );
  if (held !== null && held.changed + held.gone + held.unknown > 0) {
    const lost = [
      held.changed > 0 ? `${held.changed} changed` : '',
      held.gone > 0 ? `${held.gone} gone` : '',
      held.unknown > 0 ? `${held.unknown} not known there` : '',
    ].filter((word) => word !== '');
    return bad(`${signed}, but at ${name} ${lost.join(', ')}`, 'verification-failed');
  }
  if (failure?.code === 'unsupported')
    return bad(`${signed}; ${name} has an older filer-client, which cannot be asked`, 'unsupported');
  if (failure !== undefined) return bad(`${signed}; ${failure.message}`, failure.code);
  if (files === 0 && bytesSent > 0 && state === 'delivered')
    return bad(`${name} got files, and no receipt of them is kept`, 'verification-failed');
  if (state !== 'delivered') return bad(`${state}: ${status}; ${signed}`, code ?? 'partial');
  return { ok: true, code: null, status: held === null ? signed : `${signed}, and all still there` };
}

/** What is wrong weighs more than what is not known. */
function exitCodeOf(recipients: readonly VerifyRecipient[]): number {
  const failed = recipients.filter(({ ok }) => !ok).map(({ code }) => EXIT_CODES[code ?? 'internal']);
  const [first = 0] = failed;
  if (failed.includes(EXIT_CODES['verification-failed'])) return EXIT_CODES['verification-failed'];
  if (failed.length === 0) return 0;
  return failed.length === recipients.length ? first : EXIT_CODES.partial;
}

/** Files in one question: an answer comes after all of them were read. */
const FILES_AT_ONCE = 100;

/**
 * Asks a receiver whether it still holds files, some at a time.
 *
 * @param onAnswer gets each file with its answer, in order
 * @throws FilerError `timed-out` when it says nothing for a while or works for longer than it must, what it answers otherwise, the reason of `signal`
 */
async function askHolding<T extends HoldingFile & { readonly size: number }>(
  session: Session,
  files: Iterable<T>,
  signal: AbortSignal,
  onAnswer: (file: T, answer: HeldAnswer) => void,
): Promise<void> {
  let batch: T[] = [];
  let texts: string[] = [];
  let bytes = 2;
  let fileBytes = 0;
  const flush = async (): Promise<void> => {
    const answers = await askOnce(session, texts, fileBytes, signal);
    batch.forEach((file, n) => onAnswer(file, answers[n] ?? 'unknown'));
    [batch, texts, bytes, fileBytes] = [[], [], 2, 0];
  };
  for (const file of files) {
    const text = formatHoldingFile(file);
    const more = Buffer.byteLength(text) + 1;
    if (batch.length > 0 && (bytes + more > MAX_HOLDING_BYTES || batch.length >= FILES_AT_ONCE))
      await flush();
    batch.push(file);
    texts.push(text);
    bytes += more;
    fileBytes += file.size;
  }
  if (batch.length > 0) await flush();
}

async function askOnce(
  session: Session,
  texts: readonly string[],
  fileBytes: number,
  signal: AbortSignal,
): Promise<HeldAnswer[]> {
  const ms = HOLDING_BOUNDS.ms + (fileBytes / HOLDING_BYTES_PER_SECOND) * 1_000;
  using bounds = new BoundedAnswer(session.messenger.who, 'files', { ...HOLDING_BOUNDS, ms });
  const answers: HeldAnswer[] = [];
  for await (const some of askBounded(session, formatHolding(texts), parseHeld, bounds, signal)) {
    answers.push(...some);
    if (answers.length > texts.length) break;
  }
  if (answers.length === texts.length) return answers;
  throw new FilerError('message-malformed', `${answers.length} answers came to ${texts.length} files`);
}
