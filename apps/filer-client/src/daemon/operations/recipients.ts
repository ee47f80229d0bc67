import { FilerError } from '@filer/protocol';
import { resolveTargets } from '../../send/targets.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { OperationContext } from '../operation-context.ts';
import { withinServerShare } from './deadline.ts';

/**
 * The peers that a person means. A name that is unknown is looked for in the server's newest directory before
 * it is said to be no one's: its machine may have joined a moment ago. A server that does not answer in its share of the
 * time is away.
 *
 * @param timeoutMs of the operation @default no limit
 * @throws FilerError `no-such-peer`, `identity-changed`, `removed`
 */
export async function findRecipients(
  context: OperationContext,
  targets: readonly string[],
  signal: AbortSignal,
  timeoutMs = Infinity,
): Promise<KnownPeer[]> {
  const { member, access } = context;
  let late: FilerError | undefined;
  try {
    return await withinServerShare(timeoutMs, signal, async (stop) => {
      await access.upToDate(stop);
      try {
        return resolveTargets(member, targets);
      } catch (error) {
        if (!isUnknown(error)) throw error;
      }
      await access.refresh(stop);
      return resolveTargets(member, targets);
    });
  } catch (error) {
    if (signal.aborted || !(error instanceof FilerError)) throw error;
    if (error.code === 'timed-out') late = error;
    else if (!isUnknown(error)) throw error;
  }
  try {
    return resolveTargets(member, targets);
  } catch (error) {
    const problem = late ?? access.problem?.error;
    if (!isUnknown(error) || problem === undefined) throw error;
    throw new FilerError(error.code, `${error.message} (the ip-server was not asked: ${problem.message})`, {
      cause: error,
    });
  }
}

function isUnknown(error: unknown): error is FilerError {
  return error instanceof FilerError && error.code === 'no-such-peer';
}

/** The one peer of a name or an id. @throws FilerError as `findRecipients` */
export async function findPeer(
  context: OperationContext,
  target: string,
  signal: AbortSignal,
  timeoutMs = Infinity,
): Promise<KnownPeer> {
  const [peer] = await findRecipients(context, [target], signal, timeoutMs);
  if (peer === undefined) throw new Error('a name resolves to one peer');
  return peer;
}
