import { FilerError, type Messenger } from '@filer/protocol';
import { isLost } from './while-lost.ts';

/** A connection for a transfer. */
export interface TransferConnection<C> {
  readonly messenger: Messenger;
  /** One on a better path, once there is one; undefined when there will be none. */
  readonly better?: Promise<C | undefined> | undefined;
}

/**
 * Whether a transfer ended here because the other machine continues it on a better path: its word, for a connection in whose
 * place a newer one came.
 */
export function movedOn({ code }: FilerError, { lastWord }: Pick<Messenger, 'lastWord'>): boolean {
  return isLost(code) && lastWord?.['code'] === 'connection-closed';
}

/**
 * Transfers over a connection. When a better one comes up meanwhile the first is closed, and the rest goes over the better one, as
 * it does after a connection that was lost. Each is closed in the end.
 *
 * @param transfer one connection's part @returns why it ended early, or undefined
 * @returns why all of it ended early, or undefined
 * @throws what `transfer` throws
 */
export async function overBestPath<C extends TransferConnection<C>>(
  first: C,
  transfer: (connection: C) => Promise<FilerError | undefined>,
): Promise<FilerError | undefined> {
  let connection = first;
  for (;;) {
    const { messenger } = connection;
    let next: C | undefined;
    let isOver = false;
    void connection.better?.then((better) => {
      if (isOver) void better?.messenger.close();
      else if (better !== undefined) {
        next = better;
        messenger.reject(new FilerError('connection-closed', 'the transfer continues on a better path'));
      }
    });
    let error: FilerError | undefined;
    try {
      error = await transfer(connection);
    } catch (thrown) {
      if (!(thrown instanceof FilerError) || !isLost(thrown.code)) {
        void next?.messenger.close();
        throw thrown;
      }
      error = thrown;
    } finally {
      isOver = true;
      await messenger.close();
    }
    if (next === undefined) return error;
    if (!isLost(error?.code)) {
      await next.messenger.close();
      return error;
    }
    connection = next;
  }
}
