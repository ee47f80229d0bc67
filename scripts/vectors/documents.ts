/* Signed documents, good and bad. Times and numbers are those of the examples in docs/protocol.md. */
import type { SeededKeyPair } from '@filer/protocol';
import { keys, layOut, sign, signed, text, type Document } from './signing.ts';

export interface GoodDocument {
  readonly name: string;
  readonly kind: string;
  readonly document: Document;
  /** What the signatures of the document cover, in hex. */
  readonly signedBytes: string;
}

export interface BadDocument {
  readonly name: string;
  readonly kind: string;
  readonly document: unknown;
  /** The code of the refusal. */
  readonly error: string;
}

const { network, server, anna, bob, invite, otherNetwork } = keys;
const NOW = 1_767_225_600_000;
const WEEK_MS = 604_800_000;
const ofNetwork = { network: network.id, networkKey: text(network.publicKey) };

const grantFields = {
  ...ofNetwork,
  invite: invite.id.slice(0, 20),
  inviteKey: text(invite.publicKey),
  server: server.id,
  groups: ['lab'],
  createdAt: NOW,
  expiresAt: NOW + WEEK_MS,
  uses: 1,
};
export const grant = signed('invite', grantFields, network);

const claims = {
  network: network.id,
  id: anna.id,
  name: 'anna',
  groups: ['lab'],
  invite: grantFields.invite,
  server: server.id,
  admittedAt: NOW + 60_000,
  serial: NOW + 60_000,
};

/** Signed by all three. */
function admitted(changed: Document = {}, withGrant: Document = grant): Document {
  const said = { ...claims, ...changed };
  const by = (key: SeededKeyPair): string => sign('membership', said, key);
  const proof = {
    kind: 'admitted',
    grant: withGrant,
    inviteSignature: by(invite),
    peerSignature: by(anna),
    serverKey: text(server.publicKey),
    serverSignature: by(server),
  };
  return { ...said, publicKey: text(anna.publicKey), proof };
}

function amended(changed: Document, key: SeededKeyPair = network): Document {
  const said = { ...claims, ...changed };
  const networkSignature = sign('membership', said, key);
  const proof = { kind: 'amended', networkKey: text(key.publicKey), networkSignature };
  return { ...said, publicKey: text(anna.publicKey), proof };
}

const membership = admitted();
const renamed = { name: 'anna-2', serial: claims.serial + 1 };

const serverFields = { ...ofNetwork, server: server.id, addresses: ['files.example:7420'], serial: 1 };
const listFields = {
  ...ofNetwork,
  servers: [`${server.id} files.example:7420`, `${bob.id} 192.0.2.9:7420 [2001:db8::9]:7420`],
  serial: 2,
};
const removalFields = { ...ofNetwork, number: 1, id: bob.id, removedAt: NOW + 120_000 };
const recordFields = {
  network: network.id,
  id: anna.id,
  publicKey: text(anna.publicKey),
  addresses: ['192.0.2.17:7421', '[2001:db8::17]:7421'],
  seq: NOW + 61_000,
  expiresAt: NOW + 61_000 + 30 * 86_400_000,
};
const textFields = {
  network: network.id,
  id: text(Buffer.alloc(16, 9)),
  from: anna.id,
  to: bob.id,
  time: NOW + 180_000,
  text: 'the build is green ✓',
  publicKey: text(anna.publicKey),
};
const stageFields = {
  network: network.id,
  job: 'job-1',
  sender: anna.id,
  receiver: bob.id,
  state: 'staged',
  time: NOW + 240_000,
  files: 3,
  bytes: 15,
  removed: 0,
  publicKey: text(bob.publicKey),
};
const leftAt = NOW + 200_000;
const leaveFields = { network: network.id, id: anna.id, serial: claims.serial, leftAt };
const leave = { membership, leftAt, signature: sign('leave', leaveFields, anna) };

function good(name: string, kind: string, fields: Document, document: Document): GoodDocument {
  return { name, kind, document, signedBytes: layOut(kind, fields).toString('hex') };
}

function goodSigned(name: string, kind: string, fields: Document, key: SeededKeyPair): GoodDocument {
  return good(name, kind, fields, signed(kind, fields, key));
}

const noGroups = { ...grantFields, groups: [], uses: 4_294_967_295 };
/** They are signed, so a reader keeps them; it dials the last one only. */
const skipped = {
  ...recordFields,
  addresses: [
    'relay://192.0.2.9:7420/anna',
    '[fe80::1]:7421',
    '192.0.2.17:0',
    '192.0.2.17',
    '192.0.2.17:7421',
  ],
};
const roots = [
  goodSigned('a grant', 'invite', grantFields, network),
  goodSigned('a grant without groups, with the most uses', 'invite', noGroups, network),
  goodSigned('a server record', 'server', serverFields, network),
  goodSigned('a server list', 'servers', listFields, network),
  goodSigned('a removal', 'removal', removalFields, network),
  goodSigned('a record', 'record', recordFields, anna),
  goodSigned('a record without addresses', 'record', { ...recordFields, addresses: [] }, anna),
  goodSigned('a record with addresses that a reader skips', 'record', skipped, anna),
  goodSigned('a text to a peer', 'text', textFields, anna),
  goodSigned('a word about a staged job', 'stage', stageFields, bob),
  goodSigned('a text to a group', 'text', { ...textFields, to: '@lab' }, anna),
];

export const goodDocuments: readonly GoodDocument[] = [
  ...roots,
  good('a membership, as an invite admits', 'membership', claims, membership),
  good('a membership, renamed', 'membership', { ...claims, ...renamed }, amended(renamed)),
  good('a leave', 'leave', leaveFields, leave),
];

function bad(name: string, kind: string, document: unknown, error = 'message-malformed'): BadDocument {
  return { name, kind, document, error };
}

const manySchemes = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `scheme-${n}://somewhere`);

/** What is wrong with each kind in the same way. */
function badOfEach({ name, kind, document }: GoodDocument): BadDocument[] {
  const { signature, ...unsigned } = document;
  const wrong = kind === 'invite' ? 'invite-wrong' : 'signature-invalid';
  const signatureText = String(signature);
  const isNetworks = 'networkKey' in document;
  const signer = isNetworks ? network : kind === 'stage' ? bob : anna;
  const byOther = sign(kind, unsigned, isNetworks ? bob : otherNetwork);
  return [
    bad(`${name}, with a key too many`, kind, { ...document, note: '' }),
    bad(`${name}, without its signature`, kind, unsigned),
    bad(`${name}, its signature padded`, kind, { ...document, signature: `${signatureText}==` }),
    bad(`${name}, its signature cut`, kind, { ...document, signature: signatureText.slice(1) }),
    bad(`${name}, signed by another key`, kind, { ...document, signature: byOther }, wrong),
    bad(
      `${name}, signed under another kind`,
      kind,
      { ...document, signature: sign('other', unsigned, signer) },
      wrong,
    ),
    bad(
      `${name}, of another network, validly signed`,
      kind,
      isNetworks
        ? signed(
            kind,
            { ...unsigned, network: otherNetwork.id, networkKey: text(otherNetwork.publicKey) },
            otherNetwork,
          )
        : signed(kind, { ...unsigned, network: otherNetwork.id }, signer),
      wrong,
    ),
  ];
}

/** Validly signed, with a value that the kind does not allow. */
function badValues(
  kind: string,
  fields: Document,
  key: SeededKeyPair,
  values: readonly (readonly [name: string, changed: Document])[],
): BadDocument[] {
  return values.map(([name, changed]) =>
    bad(`${kind}: ${name}`, kind, signed(kind, { ...fields, ...changed }, key)),
  );
}

const otherGroups = admitted({ groups: ['staff'] });
const otherServer = signed('invite', { ...grantFields, server: bob.id }, network);

/** One of each kind. */
const PLAIN: ReadonlySet<string> = new Set([
  'a grant',
  'a server record',
  'a server list',
  'a removal',
  'a record',
  'a text to a peer',
  'a word about a staged job',
]);

export const badDocuments: readonly BadDocument[] = [
  ...roots.filter(({ name }) => PLAIN.has(name)).flatMap(badOfEach),
  ...badValues('servers', listFields, network, [
    ['a server twice', { servers: [`${server.id} a.example:1`, `${server.id} b.example:1`] }],
    ['a server without an address', { servers: [server.id] }],
    ['two spaces', { servers: [`${server.id}  a.example:1`] }],
    ['9 addresses', { servers: [[server.id, ...Array<string>(9).fill('a.example:1')].join(' ')] }],
    ['an id in lower case', { servers: [`${server.id.toLowerCase()} a.example:1`] }],
    ['17 servers', { servers: Array.from({ length: 17 }, () => `${server.id} a.example:1`) }],
    ['the serial 0', { serial: 0 }],
  ]),
  ...badValues('invite', grantFields, network, [
    ['no uses', { uses: 0 }],
    ['more uses than four bytes hold', { uses: 4_294_967_296 }],
    ['the group all', { groups: ['all'] }],
    ['a group twice', { groups: ['lab', 'lab'] }],
    ['a group in upper case', { groups: ['Lab'] }],
    ['33 groups', { groups: Array.from({ length: 33 }, (_, n) => `group-${n}`) }],
    ['a time as text', { createdAt: String(NOW) }],
    ['a time that six bytes do not hold', { expiresAt: 2 ** 48 }],
    ['an id in lower case', { server: server.id.toLowerCase() }],
  ]),
  bad(
    'invite: an id that is not that of its key',
    'invite',
    signed('invite', { ...grantFields, invite: bob.id.slice(0, 20) }, network),
    'invite-wrong',
  ),
  ...badValues('server', serverFields, network, [
    ['serial 0', { serial: 0 }],
    ['nine addresses', { addresses: Array.from({ length: 9 }, (_, n) => `192.0.2.${n}:7420`) }],
  ]),
  ...badValues('removal', removalFields, network, [
    ['number 0', { number: 0 }],
    ['a number that is no integer', { number: 1.5 }],
  ]),
  ...badValues('record', recordFields, anna, [
    ['an address with a comma', { addresses: ['192.0.2.17:7421,192.0.2.18:7421'] }],
    ['an address with a space', { addresses: ['192.0.2.17:7421 '] }],
    ['an empty address', { addresses: [''] }],
    ['an address of 301 characters', { addresses: [`relay://${'x'.repeat(293)}`] }],
    ['seventeen addresses of many schemes', { addresses: manySchemes(17) }],
    ['nine addresses', { addresses: Array.from({ length: 9 }, (_, n) => `192.0.2.${n}:7420`) }],
    ['a negative seq', { seq: -1 }],
  ]),
  ...badValues('text', textFields, anna, [
    ['a target in upper case', { to: '@LAB' }],
    ['an id of 15 bytes', { id: text(Buffer.alloc(15, 9)) }],
    ['an id that is written in two ways', { id: `${textFields.id.slice(0, -1)}R` }],
    ['a text of more than 16 KiB', { text: 'x'.repeat(16 * 1024 + 1) }],
  ]),
  ...badValues('stage', stageFields, bob, [
    ['a state of another name', { state: 'gone' }],
    ['a negative number of files', { files: -1 }],
    ['an empty job', { job: '' }],
  ]),
  bad('membership: groups that its invite does not give', 'membership', otherGroups, 'signature-invalid'),
  bad(
    'membership: the invite of another server',
    'membership',
    admitted({}, otherServer),
    'signature-invalid',
  ),
  bad('membership: its name changed', 'membership', { ...membership, name: 'bob' }, 'signature-invalid'),
  bad('membership: the name server', 'membership', amended({ name: 'server' }), 'name-refused'),
  bad('membership: a name in upper case', 'membership', amended({ name: 'Anna' })),
  bad('membership: serial 0', 'membership', amended({ serial: 0 })),
  bad('membership: a proof of another kind', 'membership', { ...membership, proof: { kind: 'trust me' } }),
  bad(
    'membership: changed by another network',
    'membership',
    amended(renamed, otherNetwork),
    'signature-invalid',
  ),
  bad(
    'membership: the key of another machine',
    'membership',
    { ...membership, publicKey: text(bob.publicKey) },
    'signature-invalid',
  ),
  bad('leave: another time', 'leave', { ...leave, leftAt: leftAt + 1 }, 'signature-invalid'),
  bad(
    'leave: signed by another machine',
    'leave',
    { ...leave, signature: sign('leave', leaveFields, bob) },
    'signature-invalid',
  ),
  bad(
    'stage: its state changed',
    'stage',
    { ...signed('stage', stageFields, bob), state: 'released' },
    'signature-invalid',
  ),
  bad(
    'stage: signed by the sender',
    'stage',
    signed('stage', { ...stageFields, publicKey: text(anna.publicKey) }, anna),
    'signature-invalid',
  ),
  bad('a document that is a list', 'record', [recordFields]),
];
