import {
  connectDaemon,
  type Context,
  type DaemonClient,
  type Method,
  type MethodTypes,
} from '@filer/program';
import { contract } from './contract.ts';

/** What only reads what a home keeps is there after `leave`, too. */
const AFTER_LEAVING: ReadonlySet<string> = new Set([contract.status.name, contract.verify.name]);

/**
 * Calls the daemon of this home, or an ephemeral one in this process while none runs.
 *
 * @param onItem gets what the method tells while it runs, in order
 * @param params a `timeoutMs` among them is also how long a running daemon may be silent
 * @throws FilerError `not-joined`, and as `DaemonClient.call`
 */
export async function call<T extends MethodTypes>(
  context: Context,
  method: Method<T>,
  params: T['params'],
  onItem?: (item: T['item']) => unknown,
): Promise<T['result']> {
  await using daemon = await openDaemon(context, timeoutOf(params), AFTER_LEAVING.has(method.name));
  return await daemon.call(method, params, { onItem, signal: context.signal });
}

/** Whether a daemon runs in this home. */
export async function isDaemonHere({ home, signal }: Pick<Context, 'home' | 'signal'>): Promise<boolean> {
  await using running = await connectDaemon(home, { signal });
  return running !== undefined;
}

function timeoutOf(params: unknown): number | undefined {
  if (typeof params !== 'object' || params === null || !('timeoutMs' in params)) return undefined;
  return typeof params.timeoutMs === 'number' ? params.timeoutMs : undefined;
}

/**
 * The daemon of this home, or an ephemeral one in this process while none runs.
 *
 * @param afterLeaving whether a home that has left its network is opened, too @throws FilerError `not-joined`
 */
export async function openDaemon(
  context: Context,
  silentMs?: number,
  afterLeaving = false,
): Promise<DaemonClient> {
  const running = await connectDaemon(context.home, { signal: context.signal, silentMs });
  if (running !== undefined) return running;
  const { clientOf, openEphemeral } = await import('./daemon-here.ts');
  return clientOf(await openEphemeral(context, { afterLeaving }));
}
