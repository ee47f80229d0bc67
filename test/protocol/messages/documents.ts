import {
  admit,
  createInvite,
  joinerSignatures,
  keyPairFromSeed,
  signPeerRecord,
  signRemoval,
  signServerRecord,
  signText,
  type Message,
} from '@filer/protocol';

/** One network with a server and a member, always the same keys. */
const [networkKey, server, peer] = [1, 2, 3].map((byte) => keyPairFromSeed(Buffer.alloc(32, byte)));
if (networkKey === undefined || server === undefined || peer === undefined) throw new Error('three keys');

export const NOW = 1_767_225_600_000;
export const network = networkKey.id;

const invite = createInvite({
  networkKey,
  server: server.id,
  addresses: [{ host: 'files.example', port: 7420 }],
  groups: ['lab'],
  expiresAt: NOW + 1_000,
  uses: 1,
  now: NOW,
});
export const { grant } = invite;

export const claims = {
  network,
  id: peer.id,
  name: 'anna',
  groups: grant.groups,
  invite: grant.invite,
  server: server.id,
  admittedAt: NOW,
  serial: 1,
};
export const publicKey = peer.publicKey.toString('base64url');
export const signatures = joinerSignatures(claims, peer, invite.seed);
export const membership = admit(claims, { publicKey, grant, ...signatures }, server);
export const serverRecord = signServerRecord(networkKey, {
  server: server.id,
  addresses: ['files.example:7420'],
  serial: 1,
});
export const record = signPeerRecord(peer, {
  network,
  addresses: ['192.0.2.17:7421'],
  seq: NOW,
  expiresAt: NOW + 1_000,
});
export const removal = signRemoval(networkKey, { number: 1, id: peer.id, removedAt: NOW });
export const text = signText(peer, { network, to: '@all', time: NOW, text: 'the lab is open' });

/** The same message with some header keys changed; undefined takes one away. */
export function withHeader(message: Message, change: Record<string, string | undefined>): Message {
  const header: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...message.header, ...change })) {
    if (value !== undefined) header[key] = value;
  }
  return { ...message, header };
}

/** The same message with another JSON content. */
export function withContent(message: Message, content: unknown): Message {
  return { ...message, content: Buffer.from(JSON.stringify(content)) };
}
