import { formatInvite, type HostPort, type Invite } from '@filer/protocol';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { ServerClient } from '../../api/server-client.ts';
import { newInvite, type InviteTerms } from '../../network/signing.ts';
import { networkKeyOf } from './signing.ts';

export interface LinkOptions extends InviteTerms {
  /** The file of the network key, if it is not in the home. */
  readonly networkKey: string | undefined;
}

export interface NewLink {
  readonly link: string;
  readonly invite: Invite;
  /** Addresses for which the link had no room. */
  readonly leftOut: readonly HostPort[];
}

/** Makes an invite that the server knows. @throws FilerError `network-key-missing`, of the server */
export async function newLink(
  options: LinkOptions,
  server: ServerClient,
  context: Context,
): Promise<NewLink> {
  const networkKey = await networkKeyOf(context, server, options.networkKey);
  const { leftOut, ...target } = await server.call(contract.inviteContext, {});
  const invite = newInvite(networkKey, target, options);
  await server.call(contract.inviteAdd, { grant: invite.grant });
  return { link: formatInvite(invite), invite, leftOut };
}
