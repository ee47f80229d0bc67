import { connectDaemon, type Context } from '@filer/program';
import { contract } from './contract.ts';
import type { OperationName, OperationResults } from '../daemon/operations.ts';
import { eachItem, type PerformOptions } from './each-item.ts';

/**
 * Has an operation done: by this home's daemon if one runs, else in this process.
 *
 * @throws FilerError `not-joined`, and whatever the operation throws
 */
export async function perform<N extends OperationName>(
  context: Context,
  name: N,
  params: unknown,
  { onItem = () => undefined }: PerformOptions = {},
): Promise<OperationResults[N]> {
  const { home, signal } = context;
  const caller = await connectDaemon(home, { signal });
  if (caller !== undefined) {
    await using daemon = caller;
    // The daemon is the same program of the same home: its results have the operation's own type.
    return (await daemon.call(contract[name], params, {
      onItem: eachItem(onItem),
      signal,
    })) as OperationResults[N];
  }
  const { performHere } = await import('./own-process.ts');
  return await performHere(context, name, params, { onItem });
}
