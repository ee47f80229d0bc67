import {
  connectDaemon,
  type Context,
  type DaemonClient,
  type Method,
  type MethodTypes,
} from '@filer/program';
import type { EphemeralDaemon } from '../daemon/ephemeral-daemon.ts';
import { reconnectDelayMs } from '../network/backoff.ts';

/** Calls a daemon again and again, for a command that goes on. */
export interface LastingClient extends AsyncDisposable {
  /** @throws FilerError `not-joined`, and as `DaemonClient.call` */
  call<T extends MethodTypes>(method: Method<T>, params: T['params']): Promise<T['result']>;
}

interface Ephemeral {
  readonly daemon: EphemeralDaemon;
  readonly client: DaemonClient;
  /** How often in a row its server was not reached. */
  failures: number;
  retryAt: number;
}

/**
 * Calls the daemon of this home whenever one runs, else an ephemeral one in this process: over one session with the
 * server, which is opened again with growing pauses.
 */
export function openLastingClient(context: Context): LastingClient {
  const { home, signal } = context;
  let own: Ephemeral | undefined;
  const end = async (): Promise<void> => {
    const ending = own;
    own = undefined;
    await ending?.client.close();
  };
  const renewed = async (): Promise<Ephemeral> => {
    if (own === undefined) {
      const { clientOf, openEphemeral } = await import('./daemon-here.ts');
      const daemon = await openEphemeral(context);
      own = { daemon, client: clientOf(daemon), failures: 0, retryAt: 0 };
    } else if (own.daemon.access.current !== undefined) await own.daemon.access.refresh(signal);
    else if (performance.now() >= own.retryAt) own.daemon.access.forgetFailure();
    return own;
  };
  return {
    call: async (method, params) => {
      const running = await connectDaemon(home, { signal });
      if (running !== undefined) {
        await end();
        await using client = running;
        return await client.call(method, params, { signal });
      }
      const ephemeral = await renewed();
      const result = await ephemeral.client.call(method, params, { signal });
      if (ephemeral.daemon.access.current !== undefined) ephemeral.failures = 0;
      else if (performance.now() >= ephemeral.retryAt)
        ephemeral.retryAt = performance.now() + reconnectDelayMs(++ephemeral.failures, Math.random());
      return result;
    },
    [Symbol.asyncDispose]: end,
  };
}
