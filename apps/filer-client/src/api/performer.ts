import { connectDaemon, type Context } from '@filer/program';
import { contract } from './contract.ts';
import type { OperationName, OperationResults } from '../daemon/operations.ts';
import { reconnectDelayMs } from '../network/backoff.ts';
import type { OwnSite } from './own-process.ts';

/** Has operations done again and again, for a command that goes on. */
export interface Performer extends AsyncDisposable {
  /** @throws FilerError `not-joined`, and whatever the operation throws */
  perform<N extends OperationName>(name: N, params: unknown): Promise<OperationResults[N]>;
}

/**
 * By this home's daemon whenever one runs, else in this process: over one session with the server, which is opened
 * again with growing pauses.
 */
export function openPerformer(context: Context): Performer {
  let own: { readonly site: OwnSite; failures: number; retryAt: number } | undefined;
  const end = async (): Promise<void> => {
    const ending = own;
    own = undefined;
    await ending?.site[Symbol.asyncDispose]();
  };
  return {
    perform: async (name, params) => {
      const { home, signal } = context;
      const caller = await connectDaemon(home, { signal });
      if (caller !== undefined) {
        await end();
        await using daemon = caller;
        // The daemon is the same program of the same home: its results have the operation's own type.
        return (await daemon.call(contract[name], params, { signal })) as never;
      }
      if (own === undefined) {
        const { openOwnSite } = await import('./own-process.ts');
        own = { site: await openOwnSite(context), failures: 0, retryAt: 0 };
      } else if (own.site.access.current !== undefined) await own.site.access.refresh(signal);
      else if (performance.now() >= own.retryAt) own.site.access.forgetFailure();
      const result = (await own.site.perform(name, params)) as never;
      if (own.site.access.current !== undefined) own.failures = 0;
      else if (performance.now() >= own.retryAt)
        own.retryAt = performance.now() + reconnectDelayMs(++own.failures, Math.random());
      return result;
    },
    [Symbol.asyncDispose]: end,
  };
}
