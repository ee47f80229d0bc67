import { dial, FilerError, GIVE_UP_AFTER_MS, Messenger, Session, systemCode } from '@filer/protocol';
import { checkSocketFolder, type Home } from '../home.ts';
import { DaemonClient, type Transport } from './client.ts';
import { callMessage, cancelHeader, itemsOf, valueOf } from './wire.ts';

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long the daemon may be silent while something is asked of it, at least `LEAST_SILENT_MS`. @default GIVE_UP_AFTER_MS */
  readonly silentMs?: number | undefined;
}

/** A daemon on a machine with much to do is no daemon that hangs. */
const LEAST_SILENT_MS = 2_000;

/** What dialling a socket file meets when no daemon listens on it. */
const NO_LISTENER = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);

/**
 * Reaches the daemon of this home.
 *
 * @returns undefined when none runs
 * @throws FilerError when there is one that cannot be reached, or its socket belongs to another user
 */
export async function connectDaemon(
  home: Home,
  { signal, silentMs = GIVE_UP_AFTER_MS }: ConnectOptions = {},
): Promise<DaemonClient | undefined> {
  if (!(await checkSocketFolder(home))) return undefined;
  try {
    const { socket } = await dial({ transport: 'unix', path: home.controlSocket }, { signal });
    const giveUpAfterMs = Math.max(LEAST_SILENT_MS, Math.min(silentMs, GIVE_UP_AFTER_MS));
    const keepAlive = { pingAfterMs: giveUpAfterMs / 3, giveUpAfterMs };
    return new DaemonClient(
      transportOver(new Session(new Messenger(socket, { keepAlive }), undefined, { isOwn: true })),
    );
  } catch (error) {
    if (error instanceof FilerError && NO_LISTENER.has(systemCode(error.cause) ?? '')) return undefined;
    throw error;
  }
}

/** Reaches the daemon, which must run. @throws FilerError `needs-daemon` */
export async function requireDaemon(home: Home, options: ConnectOptions = {}): Promise<DaemonClient> {
  const client = await connectDaemon(home, options);
  if (client !== undefined) return client;
  throw new FilerError(
    'needs-daemon',
    `${home.program} is not running here, start it with "${home.program} start"`,
  );
}

/** One connection for any number of calls. */
function transportOver(session: Session): Transport {
  let calls = 0;
  let wasStopped = false;
  return {
    call: async (method, params, onItems, signal) => {
      const name = String(++calls);
      const { header, content } = callMessage(method, params, name);
      try {
        for await (const message of session.requestStream(header, content, { signal })) {
          if (message.header['more'] === undefined) return valueOf(message);
          await onItems(itemsOf(message));
        }
        throw new FilerError('message-malformed', 'the daemon ended an answer without a result');
      } catch (error) {
        // Of no effect where the daemon has ended the call. Not awaited: one that does not read must not hold up who leaves.
        session.notify(cancelHeader(name)).catch(() => undefined);
        wasStopped ||= signal?.aborted === true;
        signal?.throwIfAborted();
        if (!(error instanceof FilerError)) throw error;
        if (error.code === 'connection-silent')
          throw new FilerError('timed-out', `the daemon does not answer (${error.message}): restart it`, {
            cause: error,
          });
        if (error.code !== 'connection-closed') throw error;
        throw new FilerError(
          'connection-closed',
          'the daemon ended before it had answered, look at its log',
          {
            cause: error,
          },
        );
      }
    },
    // Who has stopped a call waits for no orderly end.
    close: async () => (wasStopped ? session.messenger.destroy() : session.close()),
  };
}
