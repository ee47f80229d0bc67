import {
  errorOf,
  FilerError,
  formatError,
  unsupported,
  type ErrorCode,
  type Header,
  type Message,
} from '@filer/protocol';
import type { Channel } from './channel.ts';

/** The other side's last word. That a person stopped it there is no signal to the process here. */
export function lastWord(header: Header, { who = 'the other machine' }: Pick<Channel, 'who'>): FilerError {
  const error = errorOf(header, who);
  const { code } = header;
  if (code !== 'interrupted' && code !== 'terminated') return error;
  return new FilerError('connection-closed', 'the transfer was stopped on the other machine', {
    cause: error.cause,
  });
}

/** Whether an `abandon` says that the file changed while it was read: a code that no result here has. */
export function isChange({ header }: Message): boolean {
  return header['code'] === ('source-changed' satisfies ErrorCode);
}

/** Why a channel ended although the transfer had not. */
export async function lossOf(channel: Channel): Promise<FilerError> {
  const reason = await channel.closed;
  return (
    reason ?? new FilerError('connection-closed', 'the connection ended before the transfer did: send again')
  );
}

/** What an aborted signal says. */
function abortReason(signal: AbortSignal): FilerError {
  const reason: unknown = signal.reason;
  return reason instanceof FilerError ? reason : new FilerError('interrupted', 'the transfer was stopped');
}

/** Runs `stop` once the signal is aborted, at once if it is. @returns what takes the listener off again */
export function onAbort(signal: AbortSignal | undefined, stop: (reason: FilerError) => void): () => void {
  if (signal === undefined) return () => undefined;
  const listener = (): void => stop(abortReason(signal));
  if (signal.aborted) listener();
  else signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

const WORDS = new Set([
  'offer',
  'answer',
  'entries',
  'entries-answer',
  'file',
  'grow',
  'chunk',
  'small',
  'basis',
  'basis-answer',
  'same',
  'got',
  'skip',
  'end',
  'abandon',
  'failed',
  'receipts',
  'done',
  'unsent',
]);

/** Whether a message is one of a transfer's own, except `working` and `error`. */
export function isOfTransfer({ type = '' }: Header): boolean {
  return WORDS.has(type);
}

/**
 * A message that has no place here: one of a transfer's own breaks the protocol, an unknown one with `id` is
 * answered, without `id` it is dropped.
 *
 * @throws FilerError `unexpected-message`
 */
export async function takeStranger(channel: Channel, header: Header): Promise<void> {
  const { type = '', id } = header;
  if (WORDS.has(type)) throw outOfPlace(type);
  if (id === undefined) return;
  await channel.send(formatError(unsupported(header), id));
}

export function outOfPlace(what: string): FilerError {
  return new FilerError('unexpected-message', `${what} has no place at this point of a transfer`);
}

/** What was thrown and is no FilerError: it goes on to end the process loudly. */
export function bugOf(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error('something that is no error was thrown', { cause: thrown });
}
