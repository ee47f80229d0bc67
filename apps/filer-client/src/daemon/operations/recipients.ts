import { FilerError } from '@filer/protocol';
import { resolveTargets } from '../../jobs/targets.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { OperationContext } from '../operation-context.ts';

/**
 * The peers that a person means. A name that is unknown is looked for in the server's newest directory before
 * it is said to be nobody's: its machine may have joined a moment ago.
 *
 * @throws FilerError `no-such-peer`, `identity-changed`, `removed`
 */
export async function findRecipients(
  context: OperationContext,
  targets: readonly string[],
  signal: AbortSignal,
): Promise<KnownPeer[]> {
  const { member, access } = context;
  await access.upToDate(signal);
  try {
    return resolveTargets(member, targets);
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
  await access.refresh(signal);
  try {
    return resolveTargets(member, targets);
  } catch (error) {
    const { problem } = access;
    if (!isUnknown(error) || problem === undefined) throw error;
    throw new FilerError(
      error.code,
      `${error.message} (the ip-server was not asked: ${problem.error.message})`,
      {
        cause: error,
      },
    );
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
): Promise<KnownPeer> {
  const [peer] = await findRecipients(context, [target], signal);
  if (peer === undefined) throw new Error('a name resolves to one peer');
  return peer;
}
