import { dial, FilerError, Messenger, REQUEST_TIMEOUT_MS, Session, systemCode } from '@filer/protocol';
import { checkSocketFolder, type Home } from '../home.ts';
import { callMessage, valueOf } from './wire.ts';

export interface CallOptions {
  /** Ends the call, and what it started, early: the connection is closed. */
  readonly signal?: AbortSignal | undefined;
}

/** A command's side of the control socket: one connection, any number of calls. */
export class ControlCaller {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Asks for one short answer.
   *
   * @returns the method's result, unchecked
   * @throws FilerError the method's, `timed-out` after REQUEST_TIMEOUT_MS, the reason of `signal`
   */
  async call(method: string, params?: unknown, options: CallOptions = {}): Promise<unknown> {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const signal = AbortSignal.any([timeout, ...(options.signal ? [options.signal] : [])]);
    try {
      return await this.stream(method, params, () => undefined, { signal });
    } catch (error) {
      if (error !== timeout.reason) throw error;
      const seconds = REQUEST_TIMEOUT_MS / 1_000;
      throw new FilerError('timed-out', `the daemon did not answer within ${seconds} s, look at its log`);
    }
  }

  /**
   * Follows a method that goes on, for as long as it does.
   *
   * @param onItem gets each item, unchecked and in order; the next waits for it
   * @returns the method's result, unchecked
   * @throws FilerError the method's, `connection-closed` when the daemon goes away, the reason of `signal`
   */
  async stream(
    method: string,
    params: unknown,
    onItem: (item: unknown) => unknown,
    { signal }: CallOptions = {},
  ): Promise<unknown> {
    signal?.throwIfAborted();
    const onAbort = () => this.#session.messenger.destroy();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const { header, content } = callMessage(method, params);
      for await (const message of this.#session.requestStream(header, content)) {
        const value = valueOf(message);
        if (message.header['more'] === undefined) return value;
        await onItem(value);
      }
      throw new FilerError('message-malformed', 'the daemon ended an answer without a result');
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FilerError) || error.code !== 'connection-closed') throw error;
      throw new FilerError('connection-closed', 'the daemon ended before it had answered, look at its log', {
        cause: error,
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends in order; what still runs is aborted. May be called twice. */
  close(): Promise<void> {
    return this.#session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What dialling a socket file meets when no daemon listens on it. */
const NOBODY = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);

/**
 * Reaches the daemon of this home.
 *
 * @returns undefined when none runs
 * @throws FilerError when there is one that cannot be reached, or its socket belongs to somebody else
 */
export async function connectControl(
  home: Home,
  { signal }: CallOptions = {},
): Promise<ControlCaller | undefined> {
  if (!(await checkSocketFolder(home))) return undefined;
  try {
    const { socket } = await dial({ transport: 'unix', path: home.controlSocket }, { signal });
    return new ControlCaller(new Session(new Messenger(socket)));
  } catch (error) {
    if (error instanceof FilerError && NOBODY.has(systemCode(error.cause) ?? '')) return undefined;
    throw error;
  }
}

/** Reaches the daemon, which must run. @throws FilerError `needs-daemon` */
export async function requireControl(home: Home, options: CallOptions = {}): Promise<ControlCaller> {
  const caller = await connectControl(home, options);
  if (caller !== undefined) return caller;
  throw new FilerError(
    'needs-daemon',
    `${home.program} is not running here, start it with "${home.program} start"`,
  );
}
