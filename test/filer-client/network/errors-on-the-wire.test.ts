import { readFileSync } from 'node:fs';
import {
  createIdentity,
  dial,
  encodeFrame,
  helloMessage,
  unauthenticatedMessenger,
  type Hello,
  type Identity,
} from '@filer/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkHere } from '../../support/network-here.ts';
import { helloOf, TestMember, type ServerAddress } from '../../support/test-member.ts';

let network: NetworkHere;
let member: TestMember;
let stranger: Identity;
let bob: ServerAddress;

beforeAll(async () => {
  network = await NetworkHere.open();
  const client = await network.add('bob');
  const { id } = await client.ask('status');
  bob = { host: '127.0.0.1', port: client.port, id: String(id) };
  member = await TestMember.join(await network.invite(), 'eve');
  stranger = await createIdentity();
});
afterAll(() => network[Symbol.asyncDispose]());

type Said = { readonly header: Record<string, string>; readonly content?: string | object } | Buffer;

interface Case {
  readonly code: string;
  /** In the words of the table. */
  readonly to: string;
  /** @default the server */
  readonly at?: 'bob';
  readonly by?: 'a stranger';
  readonly hello?: Partial<Hello>;
  /** Instead of an honest hello. */
  readonly first?: Record<string, string>;
  readonly says?: readonly Said[];
}

const report = (content: object, seq = '1'): Said => ({
  header: { type: 'report', id: '1', spool: '0'.repeat(32), seq, kind: 'user', time: '1' },
  content,
});
const transfer = { purpose: 'transfer' } as const;

const CASES: readonly Case[] = [
  { code: 'refused', to: '`hello`', hello: { network: 'A'.repeat(52) } },
  { code: 'not-a-member', to: '`hello`', by: 'a stranger' },
  { code: 'not-a-member', to: '`hello`', by: 'a stranger', at: 'bob' },
  {
    code: 'version-mismatch',
    to: '`hello`',
    first: { type: 'hello', id: '0', versions: '2', role: 'command', network: '' },
  },
  { code: 'message-malformed', to: '`hello`', hello: { role: 'daemon', ...transfer } },
  { code: 'unexpected-message', to: '`hello`', first: { type: 'ping' } },
  { code: 'frame-malformed', to: 'a frame', says: [Buffer.from('0000000200000000' + '5b5d', 'hex')] },
  { code: 'frame-too-large', to: 'a frame', says: [Buffer.from('ffffffff00000000', 'hex')] },
  {
    code: 'message-malformed',
    to: 'any request',
    says: [{ header: { type: 'spool', id: '1', spool: 'x' } }],
  },
  { code: 'refused', to: 'any request', says: [{ header: { type: 'schedules', id: '1' }, content: [] }] },
  {
    code: 'unsupported',
    to: 'a request of unknown type',
    says: [{ header: { type: 'nonsense', id: '1' } }],
  },
  { code: 'too-large', to: '`report`', says: [report({ title: 'x'.repeat(1_025) })] },
  { code: 'report-conflict', to: '`report`', says: [report({ title: 'a' }), report({ title: 'b' })] },
  {
    code: 'attachment-missing',
    to: '`report`',
    says: [report({ attachments: [{ name: 'a', size: 1, digest: `blake3:${'a'.repeat(64)}` }] }, '2')],
  },
  {
    code: 'unsupported',
    to: 'the first message of an upload',
    hello: transfer,
    says: [{ header: { type: 'nonsense', id: '1' } }],
  },
  {
    code: 'refused',
    to: '`deliver`',
    hello: transfer,
    says: [{ header: { type: 'deliver', id: '1', run: 'x' } }],
  },
  {
    code: 'path-missing',
    to: '`list`',
    at: 'bob',
    says: [{ header: { type: 'list', id: '1' }, content: { path: 'nothing' } }],
  },
  {
    code: 'path-missing',
    to: '`fetch`',
    at: 'bob',
    hello: transfer,
    says: [{ header: { type: 'fetch', id: '1' }, content: { path: 'nothing', name: 'nothing' } }],
  },
  {
    code: 'unexpected-message',
    to: 'in a transfer',
    at: 'bob',
    hello: transfer,
    says: [{ header: { type: 'entries', id: '1', first: '0' }, content: [] }],
  },
  {
    code: 'message-malformed',
    to: 'in a transfer',
    at: 'bob',
    hello: transfer,
    says: [{ header: { type: 'offer', id: '1', job: '', files: '0', bytes: '0' } }],
  },
];

const [, wire = ''] = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8').split(
  '\n## On the wire\n',
);

/** A cell such as `yes (hello: no)`: what stands in the brackets holds for what it names, or for all that is in brackets. */
function holds(cell: string, to: string, isInBrackets: boolean): boolean {
  const [, plain = '', named, other = plain] = /^(\w*)(?: \((?:(.*): )?(\w+)\))?$/.exec(cell) ?? [];
  const isOther = named === undefined ? isInBrackets : named.includes(to.replaceAll('`', ''));
  return (isOther ? other : plain) === 'yes';
}

/** What the table says of it. */
function expected({ code, to }: Case): object {
  const row = wire.split('\n').find((line) => line.startsWith(`| \`${code}\` |`)) ?? '';
  const [saidTo = '', re = '', closes = ''] = row.split(' | ').slice(1);
  const isInBrackets = /\((.*)\)/.exec(saidTo)?.[1]?.includes(to) === true;
  if (!saidTo.includes(to)) throw new Error(`docs/errors.md does not say that ${code} answers ${to}`);
  return { code, hasRe: holds(re, to, isInBrackets), closes: holds(closes, to, isInBrackets) };
}

/** What is answered. */
async function observed({ at, by, hello, first, says = [] }: Case): Promise<object> {
  const identity = by === undefined ? member.identity : stranger;
  const { host, port, id } = at === 'bob' ? bob : member.server;
  const link = await dial({ transport: 'tls', host, port, identity, expect: id });
  const messenger = unauthenticatedMessenger(link, hello?.purpose);
  const membership = member.membership;
  const honest = helloMessage.format(helloOf(member.network, { role: 'command', membership, ...hello }));
  const opening: Said = { header: { ...honest.header, id: '0' } };
  const messages: Said[] = [
    first === undefined ? { ...opening, content: { membership } } : { header: first },
    ...says,
    { header: { type: 'nonsense', id: 'probe' } },
  ];
  let code: string | undefined;
  let hasRe = false;
  let said = 0;
  const say = (): void => {
    const next = messages[said++];
    if (next === undefined) return;
    const bytes = Buffer.isBuffer(next)
      ? next
      : encodeFrame(next.header, Buffer.from(next.content === undefined ? '' : JSON.stringify(next.content)));
    link.socket.write(bytes);
    if (Buffer.isBuffer(next)) say();
  };
  say();
  try {
    for await (const { header } of messenger) {
      if (header['re'] === 'probe') return { code, hasRe, closes: false };
      if (header['type'] === 'error') ({ code } = header);
      if (header['type'] === 'error') hasRe = header['re'] !== undefined;
      say();
    }
    return { code, hasRe, closes: true };
  } finally {
    messenger.destroy();
  }
}

test.each(CASES)('$code in answer to $to carries re and closes as docs/errors.md says', async (each) => {
  expect(await observed(each)).toEqual(expected(each));
});
