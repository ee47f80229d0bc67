import { resolve } from 'node:path';
import {
  amend,
  FilerError,
  fieldsOf,
  integerOf,
  parseMembership,
  signRemoval,
  type KeyPair,
  type Membership,
} from '@filer/protocol';
import { readConfiguration, type Context } from '@filer/program';
import type { Asker } from '../api/ask.ts';
import { requireNetworkKey } from '../server/foundation.ts';
import { SETTINGS } from '../settings.ts';
import { parseFounding } from '../store/stored-settings.ts';

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
  asker: Asker,
  file: string | undefined,
): Promise<KeyPair> {
  const { home, env } = context;
  const { networkKey } = await readConfiguration(SETTINGS, { home, env, flags: { networkKey: file } });
  const founding = parseFounding(await asker.ask('invite-context'));
  return requireNetworkKey(home, founding, networkKey === undefined ? undefined : resolve(networkKey));
}

/** @throws FilerError `no-such-peer` */
export async function memberOf(asker: Asker, peer: string): Promise<Membership> {
  return parseMembership(fieldsOf(await asker.ask('member', { peer }), 'member')['membership']);
}

/** Signs a removal and hands it to the server. */
export async function removeMember(asker: Asker, networkKey: KeyPair, id: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    const next = fieldsOf(await asker.ask('removal-next'), 'removal-next');
    const number = integerOf(next['number'], 'number', 1);
    try {
      await asker.ask('remove', { removal: signRemoval(networkKey, { number, id, removedAt: Date.now() }) });
      return;
    } catch (error) {
      if (tries === TRIES || !(error instanceof FilerError) || error.code !== 'verification-failed')
        throw error;
    }
  }
}

/** Signs a changed membership and hands it to the server. */
export async function amendMember(
  asker: Asker,
  networkKey: KeyPair,
  peer: string,
  change: (membership: Membership) => { readonly name?: string; readonly groups?: readonly string[] },
): Promise<Membership> {
  const known = await memberOf(asker, peer);
  const serial = Math.max(Date.now(), known.serial + 1);
  const membership = amend(known, { ...change(known), serial }, networkKey);
  await asker.ask('amend', { membership });
  return membership;
}
