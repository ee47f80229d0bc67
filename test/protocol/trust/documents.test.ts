import {
  createKeyPair,
  FilerError,
  formatHostPort,
  isDialable,
  MAX_TEXT_BYTES,
  parseGrant,
  parseMembership,
  parsePeerRecord,
  parseRemoval,
  parseServerList,
  parseServerRecord,
  parseText,
  signedBytes,
  signPeerRecord,
  signRemoval,
  signServerList,
  signServerRecord,
  signText,
  tcpAddressesOf,
  type PeerRecord,
  verifyGrant,
  verifyMembership,
  verifyPeerRecord,
  verifyServerList,
  verifyServerRecord,
  verifyText,
} from '@filer/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifyRemoval } from '../../../packages/protocol/src/trust/removals.ts';
import { admitPeer, amendPeer, makeWorld } from './documents.ts';

const world = makeWorld();
const { networkKey, peer } = world;
const network = networkKey.id;
const id = peer.id;

/** Parses and verifies one kind of document for a network. */
type Check = (value: unknown, network: string) => void;

const documents: Record<string, { value: object; check: Check }> = {
  grant: { value: world.invite.grant, check: (value, of) => verifyGrant(parseGrant(value), of) },
  'admitted membership': {
    value: admitPeer(world),
    check: (value, of) => verifyMembership(parseMembership(value), of),
  },
  'amended membership': {
    value: amendPeer(world),
    check: (value, of) => verifyMembership(parseMembership(value), of),
  },
  'server record': {
    value: signServerRecord(networkKey, {
      server: id,
      addresses: ['server.example:10901', '[2001:db8::1]:1'],
      serial: 7,
    }),
    check: (value, of) => verifyServerRecord(parseServerRecord(value), of),
  },
  'server list': {
    value: signServerList(networkKey, {
      servers: [
        { id, addresses: ['server.example:10901', '[2001:db8::1]:1'] },
        { id: networkKey.id, addresses: ['192.0.2.9:1'] },
      ],
      serial: 8,
    }),
    check: (value, of) => verifyServerList(parseServerList(value), of),
  },
  removal: {
    value: signRemoval(networkKey, { number: 4, id, removedAt: 1_900_000_000_000 }),
    check: (value, of) => verifyRemoval(parseRemoval(value), of),
  },
  record: {
    value: signPeerRecord(peer, {
      network,
      addresses: ['192.0.2.9:10902', '[2001:db8::2]:1'],
      seq: 5,
      expiresAt: 9,
    }),
    check: (value, of) => verifyPeerRecord(parsePeerRecord(value), of),
  },
  text: {
    value: signText(peer, { network, to: '@all', time: 1_900_000_000_000, text: 'lunch é 007' }),
    check: (value, of) => verifyText(parseText(value), of),
  },
};

/** Every string and number in a document: where it is, and how to put another in its place. */
interface Leaf {
  readonly path: string;
  readonly value: string | number;
  replaced(other: unknown): unknown;
}

function leavesOf(value: unknown, path = ''): Leaf[] {
  if (typeof value === 'string' || typeof value === 'number')
    return [{ path, value, replaced: (other) => other }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]: [string, unknown]) =>
    leavesOf(part, `${path}.${key}`).map((leaf) => ({
      ...leaf,
      replaced: (other: unknown) => {
        const copy = structuredClone(value);
        Reflect.set(copy, key, leaf.replaced(other));
        return copy;
      },
    })),
  );
}

function refused(check: () => void): boolean {
  try {
    check();
    return false;
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    return true;
  }
}

const flipped = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return copy;
};

describe.each(Object.entries(documents))('a %s', (_, { value, check }) => {
  test('holds for its own network and for no other', () => {
    check(JSON.parse(JSON.stringify(value)), network);
    expect(refused(() => check(value, createKeyPair().id))).toBe(true);
  });

  test('fails when any one bit of any field is flipped', () => {
    const leaves = leavesOf(value);
    const flips = leaves.flatMap(({ value: leaf }, index) => {
      const bits = typeof leaf === 'string' ? Buffer.byteLength(leaf) * 8 : 53;
      return Array.from({ length: bits }, (__, bit) => ({ index, bit }));
    });
    fc.assert(
      fc.property(fc.constantFrom(...flips), ({ index, bit }) => {
        const leaf = leaves[index];
        if (leaf === undefined) throw new Error('there is no such field');
        const other =
          typeof leaf.value === 'string'
            ? flipped(Buffer.from(leaf.value), bit).toString('utf8')
            : Number(BigInt(leaf.value) ^ (1n << BigInt(bit)));
        expect(refused(() => check(leaf.replaced(other), network))).toBe(true);
      }),
      { numRuns: 1_500 },
    );
  });

  test('fails when any one bit of the bytes of a key or signature is flipped', () => {
    for (const leaf of leavesOf(value)) {
      if (typeof leaf.value !== 'string' || !/(?:Key|[sS]ignature)$/.test(leaf.path)) continue;
      const bytes = Buffer.from(leaf.value, 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const other = leaf.replaced(flipped(bytes, bit).toString('base64url'));
        expect(refused(() => check(other, network))).toBe(true);
      }
    }
  });

  test('is malformed with any value of a wrong type, an unsafe number, ill-formed or endless text', () => {
    const wrong = [
      null,
      true,
      [],
      {},
      [['x']],
      '',
      '\ud800',
      'x'.repeat(100_000),
      -1,
      0.5,
      2 ** 53,
      Number.NaN,
      1e300,
      '1',
    ];
    for (const leaf of leavesOf(value)) {
      for (const other of wrong) {
        if (other === '' && leaf.path === '.text') continue; // an empty text is legal, and fails as a changed one
        expect(
          refused(() => check(leaf.replaced(other), network)),
          `${leaf.path} ${JSON.stringify(other).slice(0, 80)}`,
        ).toBe(true);
      }
    }
  });

  test('is malformed with a field too few, a field too many, or as something else', () => {
    const malformed = expect.objectContaining({ code: 'message-malformed' });
    for (const key of Object.keys(value)) {
      const { [key]: __, ...rest } = value as Record<string, unknown>;
      expect(() => check(rest, network)).toThrow(malformed);
    }
    const text = JSON.stringify(value).slice(1);
    for (const key of ['__proto__', 'constructor', 'extra']) {
      expect(() => check(JSON.parse(`{"${key}":{},${text}`), network)).toThrow(malformed);
    }
    const { [Object.keys(value)[0] ?? '']: ___, ...rest } = value as Record<string, unknown>;
    const inherited = JSON.parse(
      `{"__proto__":${JSON.stringify(value)},${JSON.stringify(rest).slice(1)}`,
    ) as unknown;
    expect(() => check(inherited, network)).toThrow(malformed);
    for (const other of [undefined, null, 7, 'x', [], [value], true]) {
      expect(() => check(other, network)).toThrow(malformed);
    }
  });
});

test('parse functions answer any JSON with our error and no other', () => {
  const parsers = [parseGrant, parseMembership, parsePeerRecord, parseRemoval, parseServerRecord, parseText];
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(...parsers), (value, parse) => {
      expect(refused(() => parse(value))).toBe(true);
    }),
  );
});

test('a membership with an unknown kind of proof is malformed', () => {
  const membership = amendPeer(world);
  for (const kind of ['other', '__proto__', 'constructor', 7]) {
    const changed = { ...membership, proof: { ...membership.proof, kind } };
    expect(() => parseMembership(changed)).toThrow(expect.objectContaining({ code: 'message-malformed' }));
  }
});

test('lists are bounded: 8 addresses and 32 groups pass, one more does not', () => {
  const malformed = expect.objectContaining({ code: 'message-malformed' });
  const record = (count: number) => ({
    ...documents['record']?.value,
    addresses: Array.from({ length: count }, (_, index) => `192.0.2.${index}:1`),
  });
  expect(parsePeerRecord(record(8)).addresses).toHaveLength(8);
  expect(() => parsePeerRecord(record(9))).toThrow(malformed);
  const member = (count: number) => ({
    ...admitPeer(world),
    groups: Array.from({ length: count }, (_, index) => `g${index}`),
  });
  expect(parseMembership(member(32)).groups).toHaveLength(32);
  expect(() => parseMembership(member(33))).toThrow(malformed);
  expect(() => parseMembership({ ...admitPeer(world), groups: ['lab', 'lab'] })).toThrow(malformed);
  expect(() => parseMembership({ ...admitPeer(world), groups: ['all'] })).toThrow(malformed);
});

const UNDIALABLE = [
  '169.254.169.254:80',
  '224.0.0.1:1',
  '255.255.255.255:1',
  '0.0.0.0:1',
  '[::]:1',
  '[fe80::1]:1',
  '[fe80::1%eth0]:1',
  '[ff02::1]:1',
  '[::ffff:127.0.0.1]:22',
  'server.example:1',
  'tcp://server.example:1',
  '192.0.2.1:0',
  '192.0.2.1',
  '127.1:1',
];
const UNKNOWN = ['relay://relay.example:443/session?x=1', 'quic+v2://[2001:db8::1]:1'];
const GOOD = '192.0.2.1:1';

/** Signed by a peer that leaves nothing out. */
function recordWith(addresses: readonly string[]): PeerRecord {
  const claims = { network, id, publicKey: world.peer.publicKey.toString('base64url'), seq: 1, expiresAt: 1 };
  const bytes = signedBytes('record', {
    ...claims,
    seq: '1',
    expiresAt: '1',
    addresses: addresses.join(','),
  });
  return { ...claims, addresses, signature: peer.sign(bytes).toString('base64url') };
}

test.each(UNDIALABLE)('a peer leaves the address %s out of its record', (address) => {
  const { addresses } = signPeerRecord(peer, {
    network,
    addresses: [address, GOOD],
    seq: 1,
    expiresAt: 1,
  });

  expect(addresses).toEqual([GOOD]);
});

test.each([...UNDIALABLE, ...UNKNOWN])(
  'a record with %s is genuine, and its other addresses count',
  (address) => {
    const record = parsePeerRecord(recordWith([address, GOOD]));

    expect(() => verifyPeerRecord(record, network)).not.toThrow();
    expect(record.addresses).toEqual([address, GOOD]);
    expect(tcpAddressesOf(record.addresses, isDialable).map(formatHostPort)).toEqual([GOOD]);
  },
);

test.each(UNKNOWN)('a server record with %s is genuine, and its other addresses count', (address) => {
  const signed = signServerRecord(networkKey, { server: id, addresses: [address, 'h.example:1'], serial: 1 });
  const record = parseServerRecord(structuredClone(signed));

  expect(() => verifyServerRecord(record, network)).not.toThrow();
  expect(tcpAddressesOf(record.addresses).map(formatHostPort)).toEqual(['h.example:1']);
});

test.each([
  '',
  'a,b',
  '192.0.2.1:1,192.0.2.2:1',
  'relay://a b',
  'relay://\u001b[31m',
  'relay://é',
  'x'.repeat(301),
])('no document holds the address %j', (address) => {
  const malformed = expect.objectContaining({ code: 'message-malformed' });

  expect(() => parsePeerRecord(recordWith([address]))).toThrow(malformed);
  expect(() => signServerRecord(networkKey, { server: id, addresses: [address], serial: 1 })).toThrow(
    malformed,
  );
});

test('addresses of unknown schemes take no room from known ones, and have bounds of their own', () => {
  const malformed = expect.objectContaining({ code: 'message-malformed' });
  const some = (count: number, scheme = '') =>
    Array.from({ length: count }, (_, index) => `${scheme}192.0.2.${index}:1`);
  const bounded = (...addresses: string[]) => parsePeerRecord(recordWith(addresses)).addresses;

  expect(bounded(...some(8, 'relay://'), ...some(8))).toHaveLength(16);
  expect(() => bounded(...some(9, 'relay://'))).toThrow(malformed);
  expect(() => bounded(...some(8), 'TCP://192.0.2.9:1')).toThrow(malformed);
  expect(() => bounded(...some(8), ...some(8, 'relay://'), 'other://1')).toThrow(malformed);
});

test('a text of the largest size is taken, one byte more is too large, also when counted in bytes', () => {
  const options = { network, to: id, time: 1 };
  verifyText(parseText(signText(peer, { ...options, text: 'x'.repeat(MAX_TEXT_BYTES) })), network);
  for (const text of ['x'.repeat(MAX_TEXT_BYTES + 1), 'é'.repeat(MAX_TEXT_BYTES / 2 + 1)]) {
    expect(() => signText(peer, { ...options, text })).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
    const forged = { ...signText(peer, { ...options, text: '' }), text };
    expect(() => parseText(forged)).toThrow(expect.objectContaining({ code: 'message-malformed' }));
  }
});

test('a text goes to a peer, a group or all, and to nothing else', () => {
  for (const to of [id, '@all', '@lab'])
    expect(signText(peer, { network, to, time: 1, text: '' }).to).toBe(to);
  for (const to of ['', '@', 'anna', '@Lab', `@${id}`, id.toLowerCase()]) {
    expect(() => signText(peer, { network, to, time: 1, text: '' })).toThrow(FilerError);
  }
});

test('the same text is signed under another id each time', () => {
  const options = { network, to: '@all', time: 1, text: 'again' };
  expect(signText(peer, options).id).not.toBe(signText(peer, options).id);
});
