import { connectDaemon, createLogger, openHome, readConfiguration, type Context } from '@filer/program';
import { contract } from './contract.ts';
import { aborted } from '../abort.ts';
import { Daemon } from '../daemon/daemon.ts';
import type { OperationName, OperationResults } from '../daemon/operations.ts';
import type { PeerEvent } from '../network/events.ts';
import { clientSettings } from '../settings.ts';
import { eachItem } from './each-item.ts';

/** A live peer to work with for a while: this home's daemon, or one of our own for as long as we stay. */
export interface Operator extends AsyncDisposable {
  /** Whether the peer runs in this process and ends with it. */
  readonly isOwn: boolean;
  perform<N extends OperationName>(
    name: N,
    params: unknown,
    options?: { readonly onItem?: (item: unknown) => void; readonly signal?: AbortSignal },
  ): Promise<OperationResults[N]>;
  /** Follows what happens at the peer. Resolves when the peer has ended. */
  follow(onEvent: (event: PeerEvent) => void, signal: AbortSignal): Promise<void>;
}

/** @throws FilerError `not-joined`, and what opening a daemon throws */
export async function openOperator(context: Context): Promise<Operator> {
  const { home, signal } = context;
  const caller = await connectDaemon(home, { signal });
  if (caller === undefined) return ownDaemon(context);
  // Each call that is cancelled closes its connection: the following and the calls have one each.
  return {
    isOwn: false,
    perform: async (name, params, { onItem = () => undefined, signal: stop = signal } = {}) => {
      const call = (await connectDaemon(home, { signal: stop })) ?? caller;
      try {
        // The daemon is the same program of the same home: its results have the operation's own type.
        return (await call.call(contract[name], params, { onItem: eachItem(onItem), signal: stop })) as never;
      } finally {
        if (call !== caller) await call.close();
      }
    },
    follow: async (onEvent, stop) => {
      await caller.call(contract.follow, {}, { onItem: (item) => onEvent(item as PeerEvent), signal: stop });
    },
    [Symbol.asyncDispose]: () => caller.close(),
  };
}

async function ownDaemon({ home, env, output, version }: Context): Promise<Operator> {
  await openHome(home);
  const settings = await readConfiguration(clientSettings, { home, env, flags: {} });
  const log = await createLogger({ level: output.verbose ? 'debug' : 'error', stream: output.stderr });
  const daemon = await Daemon.open({ home, settings, software: version, environment: env, log });
  return {
    isOwn: true,
    perform: async (name, params, { onItem = () => undefined, signal = new AbortController().signal } = {}) =>
      (await daemon.perform(name, params, { emit: eachItem(onItem), signal })) as never,
    follow: async (onEvent, stop) => {
      const unfollow = daemon.follow(onEvent);
      await Promise.race([daemon.ended, aborted(stop)]);
      unfollow();
    },
    [Symbol.asyncDispose]: () => daemon.close(),
  };
}
