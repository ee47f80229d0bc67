import {
  FilerError,
  formatHolding,
  formatHoldingFile,
  MAX_HOLDING_BYTES,
  parseHeld,
  TRANSFER_STALL_MS,
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
 * @throws FilerError `timed-out` when it says nothing for a while, what it answers otherwise, the reason of `signal`
 */
export async function askHolding<T extends HoldingFile>(
  session: Session,
  files: Iterable<T>,
  signal: AbortSignal,
  onAnswer: (file: T, answer: HeldAnswer) => void,
): Promise<void> {
  let batch: T[] = [];
  let texts: string[] = [];
  let bytes = 2;
  const flush = async (): Promise<void> => {
    const answers = await askOnce(session, texts, signal);
    batch.forEach((file, n) => onAnswer(file, answers[n] ?? 'unknown'));
    [batch, texts, bytes] = [[], [], 2];
  };
  for (const file of files) {
    const text = formatHoldingFile(file);
    const more = Buffer.byteLength(text) + 1;
    if (batch.length > 0 && (bytes + more > MAX_HOLDING_BYTES || batch.length >= FILES_AT_ONCE))
      await flush();
    batch.push(file);
    texts.push(text);
    bytes += more;
  }
  if (batch.length > 0) await flush();
}

async function askOnce(
  session: Session,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<HeldAnswer[]> {
  const silent = new AbortController();
  const timer = setTimeout(() => {
    const seconds = TRANSFER_STALL_MS / 1000;
    silent.abort(new FilerError('timed-out', `${session.messenger.addr} said nothing for ${seconds} s`));
  }, TRANSFER_STALL_MS);
  const answers: HeldAnswer[] = [];
  try {
    const { header, content } = formatHolding(texts);
    const stop = AbortSignal.any([signal, silent.signal]);
    for await (const message of session.requestStream(header, content, { signal: stop })) {
      timer.refresh();
      answers.push(...parseHeld(message));
      if (answers.length > texts.length)
        throw new FilerError('message-malformed', `${answers.length} answers came to ${texts.length} files`);
    }
  } finally {
    clearTimeout(timer);
  }
  if (answers.length < texts.length)
    throw new FilerError('message-malformed', `${answers.length} answers came to ${texts.length} files`);
  return answers;
}
