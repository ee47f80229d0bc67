import {
  askBounded,
  BoundedAnswer,
  FilerError,
  formatHolding,
  formatHoldingFile,
  HOLDING_BOUNDS,
  HOLDING_BYTES_PER_SECOND,
  MAX_HOLDING_BYTES,
  parseHeld,
  type HeldAnswer,
  type HoldingFile,
  type Session,
} from '@filer/protocol';

/** Files in one question: an answer comes after all of them were read. */
const FILES_AT_ONCE = 100;

/**
 * Asks a receiver whether it still holds files, some at a time.
 *
 * @param onAnswer gets each file with its answer, in order
 * @throws FilerError `timed-out` when it says nothing for a while or works for longer than it must, what it answers otherwise, the reason of `signal`
 */
export async function askHolding<T extends HoldingFile & { readonly size: number }>(
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
