import { resolve } from 'node:path';
import { FilerError, signRemoval, type KeyPair, type Membership } from '@filer/protocol';
import { readConfiguration, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { ServerClient } from '../../api/server-client.ts';
import { requireNetworkKey } from '../../network/foundation.ts';
import { amended } from '../../network/signing.ts';
import { SETTINGS } from '../../settings.ts';

/** Other commands may change the same thing at the same time; then it is signed again. */
const TRIES = 5;

/**
 * The network's key: it is used here, in the command, and never handed to the running server.
 *
 * @param file as typed
 * @throws FilerError `network-key-missing`, `identity-damaged`, `verification-failed`
 */
export async function networkKeyOf(
  context: Context,
  server: ServerClient,
  file: string | undefined,
): Promise<KeyPair> {
  const { home, env } = context;
  const { networkKey } = await readConfiguration(SETTINGS, { home, env, flags: { networkKey: file } });
  const founding = await server.call(contract.inviteContext, {});
  return requireNetworkKey(home, founding, networkKey === undefined ? undefined : resolve(networkKey));
}

/** @throws FilerError `no-such-peer` */
export async function memberOf(server: ServerClient, peer: string): Promise<Membership> {
  return (await server.call(contract.member, { peer })).membership;
}

/** Signs a removal and hands it to the server. */
export async function removeMember(server: ServerClient, networkKey: KeyPair, id: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { number } = await server.call(contract.removalNext, {});
    try {
      const removal = signRemoval(networkKey, { number, id, removedAt: Date.now() });
      await server.call(contract.remove, { removal });
      return;
    } catch (error) {
      if (tries === TRIES || !(error instanceof FilerError) || error.code !== 'verification-failed')
        throw error;
    }
  }
}

/** Signs a changed membership and hands it to the server. */
export async function amendMember(
  server: ServerClient,
  networkKey: KeyPair,
  peer: string,
  change: (membership: Membership) => { readonly name?: string; readonly groups?: readonly string[] },
): Promise<Membership> {
  const known = await memberOf(server, peer);
  const membership = amended(known, change(known), networkKey);
  await server.call(contract.amend, { membership });
  return membership;
}
