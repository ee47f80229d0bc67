import { FilerError } from '@filer/protocol';
import { resolveTargets } from '../../jobs/targets.ts';
import { refresh } from '../../network/command-access.ts';
import type { KnownPeer } from '../../store/directory-store.ts';
import type { Site } from '../site.ts';

/**
 * The peers that a person means. A name that is unknown is looked for in the server's newest directory before
 * it is said to be nobody's: its machine may have joined a moment ago.
 *
 * @throws FilerError `no-such-peer`, `identity-changed`, `removed`
 */
export async function findRecipients(
  site: Site,
  targets: readonly string[],
  signal: AbortSignal,
): Promise<KnownPeer[]> {
  const { member, access, daemon } = site;
  if (daemon === undefined) await refresh(access, signal);
  try {
    return resolveTargets(member, targets);
  } catch (error) {
    if (!isUnknown(error)) throw error;
  }
  if (daemon !== undefined) await access.refresh(signal);
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
export async function findPeer(site: Site, target: string, signal: AbortSignal): Promise<KnownPeer> {
  const [peer] = await findRecipients(site, [target], signal);
  if (peer === undefined) throw new Error('a name resolves to one peer');
  return peer;
}
