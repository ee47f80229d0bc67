import {
  errorOf,
  FilerError,
  formatError,
  saidBy,
  type ErrorCode,
  type Header,
  type Message,
  type Router,
} from '@filer/protocol';
import type { Channel } from './channel.ts';

/** The other side's last word. That a person stopped it there is no signal to the process here. */
export function lastWord(header: Header, channel: Pick<Channel, 'who'>): FilerError {
  const error = errorOf(header, whoOf(channel));
  const { code } = header;
  if (code !== 'interrupted' && code !== 'terminated') return error;
  return new FilerError('connection-closed', 'the transfer was stopped on the other machine', {
    cause: error.cause,
  });
}

/** Why the other side gives up one file, as its words. */
export function asTold<T extends { readonly message: string }>(failure: T, other: Pick<Channel, 'who'>): T {
  return { ...failure, message: saidBy(whoOf(other), failure.message) };
}

/** The other side, for people. */
function whoOf({ who = 'the other machine' }: Pick<Channel, 'who'>): string {
  return who;
}

/** Whether an `abandon` says that the file changed while it was read: a code that no result here has. */
export function isChange({ header }: Message): boolean {
  return header['code'] === ('source-changed' satisfies ErrorCode);
}

/** Why a channel ended although the transfer had not. */
export async function lossOf(channel: Channel): Promise<FilerError> {
  const reason = await channel.closed;
  return reason ?? new FilerError('connection-closed', 'the connection ended before the transfer did');
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

/**
 * Hands a message to its handler. One that has no place here breaks the protocol where it is of a transfer; an unknown one
 * with `id` is answered, without `id` it is dropped.
 *
 * @throws FilerError `unexpected-message`, what the handler throws
 */
export async function dispatch<C>(
  router: Router<C, Promise<void> | void>,
  channel: Channel,
  message: Message,
  context: C,
): Promise<void> {
  const refusal = router.refusalOf(message.header);
  if (refusal === undefined) return await router.take(message, context);
  if (refusal.code !== 'unsupported') throw refusal;
  const { id } = message.header;
  if (id !== undefined) await channel.send(formatError(refusal, id));
}

export function outOfPlace(what: string): FilerError {
  return new FilerError('unexpected-message', `${what} has no place at this point of a transfer`);
}
