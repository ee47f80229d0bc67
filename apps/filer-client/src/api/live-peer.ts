import {
  connectDaemon,
  createLogger,
  DaemonClient,
  openHome,
  readConfiguration,
  transportHere,
  type Context,
} from '@filer/program';
import { openDaemon } from '../daemon/compose.ts';
import { clientSettings } from '../settings.ts';

/** A live peer to work with for a while: this home's daemon, or one in this process for as long as we stay. */
export interface LivePeer extends AsyncDisposable {
  /** Whether the peer runs in this process and ends with it. */
  readonly isOwn: boolean;
  readonly client: DaemonClient;
}

/** @throws FilerError `not-joined`, and what opening a daemon throws */
export async function openLivePeer(context: Context): Promise<LivePeer> {
  const { home, signal } = context;
  const running = await connectDaemon(home, { signal });
  const client = running ?? (await openOwn(context));
  return { isOwn: running === undefined, client, [Symbol.asyncDispose]: () => client.close() };
}

async function openOwn({ home, env, output, version }: Context): Promise<DaemonClient> {
  await openHome(home);
  const settings = await readConfiguration(clientSettings, { home, env, flags: {} });
  const log = await createLogger({ level: output.verbose ? 'debug' : 'error', stream: output.stderr });
  const daemon = await openDaemon({ home, settings, software: version, environment: env, log });
  return new DaemonClient(transportHere(daemon.methods, () => daemon.close()));
}
