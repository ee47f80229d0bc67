import type { Context, DaemonClient, Method, MethodTypes } from '@filer/program';
import type { EphemeralDaemon } from '../daemon/ephemeral-daemon.ts';
import { reconnectDelayMs } from '../network/backoff.ts';

/** Calls an ephemeral daemon again and again, for a command that continues while no daemon runs. */
export interface EphemeralClient extends AsyncDisposable {
  /** @throws FilerError `not-joined`, and as `DaemonClient.call` */
  call<T extends MethodTypes>(method: Method<T>, params: T['params']): Promise<T['result']>;
  /** Closes what is open; the next call opens it again. */
  end(): Promise<void>;
}

interface Ephemeral {
  readonly daemon: EphemeralDaemon;
  readonly client: DaemonClient;
  /** How often in a row its server was not reached. */
  failures: number;
  retryAt: number;
}

/** Opened with the first call; over one session with the server, which is opened again with growing pauses. */
export function openEphemeralClient(context: Context): EphemeralClient {
  const { signal } = context;
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
      const ephemeral = await renewed();
      const result = await ephemeral.client.call(method, params, { signal });
      if (ephemeral.daemon.access.current !== undefined) ephemeral.failures = 0;
      else if (performance.now() >= ephemeral.retryAt)
        ephemeral.retryAt = performance.now() + reconnectDelayMs(++ephemeral.failures, Math.random());
      return result;
    },
    end,
    [Symbol.asyncDispose]: end,
  };
}
