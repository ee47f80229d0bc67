import { setTimeout as wait } from 'node:timers/promises';
import { FilerError, REQUEST_TIMEOUT_MS } from '@filer/protocol';
import {
  acquireLock,
  connectDaemon,
  DaemonClient,
  openHome,
  transportHere,
  type Context,
  type Lock,
  type Method,
  type MethodTypes,
} from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import { mayHoldAnything, storePlaceOf } from '../store/store.ts';
import { methodsOn } from './methods.ts';
import { openStoppedServer } from './stopped-server.ts';

/** The server of this home as a command calls it: the one that runs, or one that is opened for the command's time. */
export interface ServerClient extends AsyncDisposable {
  readonly running: boolean;
  /** Whether the network was made just now, by opening the home. */
  readonly isNew: boolean;
  /** @throws FilerError as `DaemonClient.call` */
  call<T extends MethodTypes>(method: Method<T>, params: T['params']): Promise<T['result']>;
}

export interface OpenOptions {
  /** Where a stopped server would listen. */
  readonly settings: ServerSettings;
  /** Whether a home that holds nothing becomes a server's. @default false */
  readonly make?: boolean;
  /**
   * Whether something will be changed: then no server may start meanwhile, since it would not know.
   *
   * @default false
   */
  readonly exclusive?: boolean;
}

/** What is needed of a command to find its server. */
type ServerPlace = Pick<Context, 'home' | 'env' | 'signal'>;

/** Another command, or a server that is starting, may hold a stopped home: how long to wait for it. */
const HELD_MS = 10_000;
const PAUSE_MS = 100;

/** @throws FilerError `needs-daemon` when no server has run in this home */
export async function openServer(context: ServerPlace, options: OpenOptions): Promise<ServerClient> {
  const { home, signal } = context;
  for (const until = Date.now() + HELD_MS; ; await wait(PAUSE_MS, undefined, { signal })) {
    const running = await connectDaemon(home, { signal });
    if (running !== undefined) return clientOf(running, { running: true, isNew: false }, context);
    try {
      return await openHere(context, options);
    } catch (error) {
      const held = error instanceof FilerError && error.code === 'already-running';
      if (!held || Date.now() > until) throw error;
    }
  }
}

async function openHere(
  context: ServerPlace,
  { settings, make = false, exclusive = false }: OpenOptions,
): Promise<ServerClient> {
  const { home, env } = context;
  let lock: Lock | undefined;
  if (exclusive && (make || mayHoldAnything(await storePlaceOf(home, settings)))) {
    await openHome(home);
    lock = await acquireLock(home.lockFile);
  }
  try {
    const server = await openStoppedServer(home, settings, env, make);
    const close = async (): Promise<void> => {
      await server.close();
      await lock?.release();
    };
    const daemon = new DaemonClient(transportHere(methodsOn(server), close));
    return clientOf(daemon, { running: false, isNew: server.isNew }, context);
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

function clientOf(
  daemon: DaemonClient,
  facts: Pick<ServerClient, 'running' | 'isNew'>,
  { signal }: ServerPlace,
): ServerClient {
  return {
    ...facts,
    call: (method, params) => daemon.call(method, params, { signal, withinMs: REQUEST_TIMEOUT_MS }),
    [Symbol.asyncDispose]: () => daemon.close(),
  };
}
