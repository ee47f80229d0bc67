import {
  createInvite,
  createKeyPair,
  FilerError,
  formatInvite,
  parseInvite,
  verifyGrant,
} from '@filer/protocol';
import { expect, test } from 'vitest';
import { makeWorld } from './documents.ts';

const world = makeWorld();
const link = formatInvite(world.invite);

function refusal(text: string): FilerError {
  try {
    parseInvite(text);
  } catch (error) {
    if (error instanceof FilerError) return error;
    throw error;
  }
  throw new Error('the link was taken');
}

test('a link says all of an invite, with white space around it and several hosts', () => {
  const invite = {
    ...world.invite,
    addresses: [
      { host: '2001:db8::1', port: 1 },
      { host: 'server.example', port: 65_535 },
    ],
  };
  const text = formatInvite(invite);
  expect(text).toMatch(/^filer:\/\/\[2001:db8::1\]:1,server\.example:65535\/[A-Za-z0-9_-]+$/);
  expect(parseInvite(`  ${text}\n`)).toEqual(invite);
});

test('a link carries as many groups as an invite may have', () => {
  const groups = Array.from(
    { length: 32 },
    (_, index) => `g${'x'.repeat(29)}${String(index).padStart(2, '0')}`,
  );
  const { networkKey, server } = world;
  const addresses = [{ host: '192.0.2.7', port: 10_901 }];
  const invite = createInvite({
    networkKey,
    server: server.id,
    addresses,
    groups,
    expiresAt: 2,
    uses: 1,
    now: 1,
  });
  expect(parseInvite(formatInvite(invite)).grant.groups).toEqual(groups);
});

test('a link cut anywhere is malformed, and the reason never holds the secret', () => {
  const secret = link.slice(link.lastIndexOf('/') + 1);
  for (let end = 0; end < link.length; end++) {
    const error = refusal(link.slice(0, end));
    expect(error.code).toBe('invite-malformed');
    expect(error.message).not.toContain(secret.slice(0, 20));
  }
});

test('a link with any bit of its last part changed is malformed', () => {
  const secret = Buffer.from(link.slice(link.lastIndexOf('/') + 1), 'base64url');
  for (let bit = 0; bit < secret.length * 8; bit++) {
    const changed = Buffer.from(secret);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(refusal(`filer://192.0.2.7:10901/${changed.toString('base64url')}`).code).toBe('invite-malformed');
  }
});

test.each([
  ['', 'does not begin with filer://'],
  ['http://192.0.2.7/x', 'does not begin with filer://'],
  ['filer://192.0.2.7:10901', 'cut off'],
  ['filer://192.0.2.7:10901/', 'cut off'],
  [link.replace('192.0.2.7:10901', '192.0.2.7'), 'not HOST:PORT'],
  [link.replace(':10901', ':0'), 'port 0'],
  [link.replace('192.0.2.7:10901', ''), 'not HOST:PORT'],
  [link.replace('192.0.2.7:10901', Array(9).fill('h:1').join(',')), 'more than 8'],
  [`${link}AAAA`, 'after its end'],
  [`${link}=`, 'no link has'],
  [`${link} x`, 'no link has'],
  [`filer://h:1/${'A'.repeat(10_000)}`, 'longer than'],
  [`filer://h:1/${'C'.repeat(400)}`, 'version'],
])('the link %s is refused with a reason', (text, reason) => {
  const error = refusal(text);
  expect(error.code).toBe('invite-malformed');
  expect(error.message).toContain(reason);
});

test('an invite that no link can say is a usage error', () => {
  const { networkKey, server } = world;
  const right = {
    networkKey,
    server: server.id,
    addresses: [{ host: 'h', port: 1 }],
    groups: ['lab'],
    expiresAt: 2,
    uses: 1,
    now: 1,
  };
  const wrong = [
    { uses: 0 },
    { uses: 2 ** 32 },
    { uses: 1.5 },
    { groups: ['Lab'] },
    { addresses: [] },
    { expiresAt: -1 },
  ];
  expect(createInvite(right).grant.uses).toBe(1);
  for (const change of wrong) {
    expect(() => createInvite({ ...right, ...change })).toThrow(expect.objectContaining({ code: 'usage' }));
  }
});

test('a grant is wrong for another network, and when another key signed it', () => {
  const { grant } = world.invite;
  verifyGrant(grant, grant.network);
  const wrong = expect.objectContaining({ code: 'invite-wrong' });
  expect(() => verifyGrant(grant, createKeyPair().id)).toThrow(wrong);
  const forged = makeWorld().invite.grant;
  expect(() => verifyGrant({ ...forged, network: grant.network }, grant.network)).toThrow(wrong);
  expect(() =>
    verifyGrant({ ...forged, network: grant.network, networkKey: grant.networkKey }, grant.network),
  ).toThrow(wrong);
});

test('a grant that differs from a genuine one in anything is wrong, though it has the same signature', () => {
  const { grant } = makeWorld().invite;
  verifyGrant(grant, grant.network);
  verifyGrant({ ...grant }, grant.network);
  const wrong = expect.objectContaining({ code: 'invite-wrong' });
  const { grant: other } = makeWorld().invite;
  const changes = [
    { uses: grant.uses + 1 },
    { groups: ['root'] },
    { expiresAt: grant.expiresAt + 1 },
    { server: other.server },
    { invite: other.invite, inviteKey: other.inviteKey },
    { networkKey: other.networkKey },
    { signature: other.signature },
  ];
  for (const change of changes)
    expect(() => verifyGrant({ ...grant, ...change }, grant.network)).toThrow(wrong);
});
