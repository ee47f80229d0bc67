import { link, mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  dial,
  encodeFrame,
  parseHostPort,
  sayHello,
  unauthenticatedMessenger,
  type Messenger,
  type Purpose,
} from '@filer/protocol';
import { listOf, TestNetwork } from '../support/test-network.ts';
import { helloOf, TestMember } from '../support/test-member.ts';
import { Hand } from '../transfer/by-hand.ts';

/** mallory is a member who speaks the protocol by hand; bob shares a folder, and has a secret beside it. */
let network: TestNetwork;
let mallory: TestMember;
const SECRET = 'what only bob may read';

beforeAll(async () => {
  network = await TestNetwork.open();
  mallory = await TestMember.join((await network.invite()).trim(), 'mallory');
  await network.join('bob');
  await network.join('anna', '--group', 'lab');
  const [open, outside] = [network.path('open'), network.path('outside')];
  await mkdir(join(open, 'sub'), { recursive: true });
  await mkdir(join(outside, 'deep'), { recursive: true });
  await writeFile(join(open, 'sub', 'file'), 'for all');
  for (const path of ['secret', 'deep/secret']) await writeFile(join(outside, path), SECRET);
  await symlink(outside, join(open, 'out'));
  await symlink('../outside', join(open, 'out-relative'));
  await symlink('../../outside/secret', join(open, 'sub', 'out-file'));
  await symlink('out', join(open, 'chain'));
  await symlink('/proc/self/cwd', join(open, 'proc'));
  await symlink('.', join(open, 'self'));
  await mkdir(network.path('lab'));
  await writeFile(join(network.path('lab'), 'secret'), SECRET);
  await network.start('bob');
  await network.ask('bob', 'share', 'add', open);
  await network.ask('bob', 'share', 'add', network.path('lab'), '--group', 'lab');
  await network.ask('bob', 'share', 'add', outside, '--as', 'collected', '--server');
});
afterAll(() => network.close());

async function connect(purpose: Purpose): Promise<Messenger> {
  const bob = network.daemon('bob');
  const { host, port } = parseHostPort(bob.listen);
  const link = await dial({ transport: 'tls', host, port, identity: mallory.identity, expect: bob.id });
  const messenger = unauthenticatedMessenger(link);
  const { membership } = mallory;
  await sayHello(messenger, helloOf(mallory.network, { role: 'command', purpose, membership }));
  return messenger;
}

/** What bob answers to `list`. */
async function list(hand: Hand, path: unknown): Promise<{ type: string; code: string; content: string }> {
  await hand.say({ type: 'list', id: '1' }, { path });
  const answer = await hand.hear('listing', 'error');
  const { type = '', code = '' } = answer?.header ?? {};
  return { type, code, content: answer?.content.toString() ?? '' };
}

/** All that bob sends of what is fetched, when mallory wants everything. */
async function fetchAll(path: unknown, name = 'loot'): Promise<{ words: string[]; content: string }> {
  const messenger = await connect('transfer');
  const hand = new Hand(messenger);
  const words: string[] = [];
  let content = '';
  await hand.say({ type: 'fetch', id: '1' }, { path, name });
  for (let said = await hand.hear(); said !== undefined; said = await hand.hear()) {
    const { type = '', id = '' } = said.header;
    words.push(type === 'error' ? `error ${said.header['code']}` : type);
    if (type !== 'entries') content += said.content.toString();
    if (type === 'offer') await hand.say({ type: 'answer', re: id });
    if (type === 'entries') {
      const entries = JSON.parse(said.content.toString()) as { kind: string; path: string }[];
      const answers = entries.map(({ kind, path: at }) =>
        kind === 'file' ? { answer: 'want' } : { answer: 'made', path: at },
      );
      await hand.say({ type: 'entries-answer', re: id }, answers);
    }
    if (type === 'done') await hand.say({ type: 'done' });
  }
  messenger.destroy();
  return { words, content };
}

/** Ways out of a share, in every position of a path. */
const WAYS = [
  ...['..', '../outside', '../outside/secret', '../../outside/secret', '../bob/key.pem', '.', './sub', '...'],
  ...['out', 'out/secret', 'out/deep/secret', 'out-relative/secret', 'chain/secret', 'chain/deep', 'proc'],
  ...['proc/environ', 'self/self/out/secret', 'sub/out-file', 'sub/../../outside/secret', 'sub/..', 'sub/.'],
  ...['sub//file', '/etc/passwd', '//etc/passwd', '\\..\\outside\\secret', '..\\outside', 'C:\\x', '\0'],
  ...[
    'sub\0/../../outside/secret',
    'secret\0',
    '%2e%2e/outside/secret',
    '．．/outside/secret',
    '..％2foutside',
  ],
  ...[
    '\u202e..',
    '\ud800',
    'x'.repeat(300),
    `${'a/'.repeat(300)}a`,
    '.filer-part-kept-1',
    '~',
    '~/key.pem',
    '',
  ],
];
const PATHS = [
  ...WAYS.map((way) => `open/${way}`).filter((path) => path !== 'open/'),
  ...WAYS.map((way) => `${way}/open`),
  ...WAYS.filter((way) => way !== ''),
  ...WAYS.map((way) => `open/sub/${way}`).filter((path) => path !== 'open/sub/'),
  ...['lab', 'lab/secret', 'collected', 'collected/secret', 'OPEN', 'open ', ' open', 'open/'],
];

test('no path of another machine leads out of a share: it is looked into', async () => {
  const messenger = await connect('session');
  const hand = new Hand(messenger);
  const seen: { path: string; content: string }[] = [];
  for (const path of PATHS) {
    const { type, content } = await list(hand, path);
    // A link at the end is listed itself, and nothing behind it.
    const isLink = /^\[\{"name":"[^"]+","kind":"link","size":0,"mtimeNs":"[0-9]+"\}\]$/.test(content);
    if (type !== 'error' && !isLink) seen.push({ path, content });
  }
  expect(seen).toEqual([]);
  await messenger.close();
});

test('no path of another machine leads out of a share: it is fetched', async () => {
  const seen: { path: string; words: string[]; content: string }[] = [];
  for (const path of PATHS) {
    const { words, content } = await fetchAll(path);
    const isRefused = /^error (path-|name-|message-malformed)/.test(words.join());
    if (!isRefused || content !== '') seen.push({ path, words, content });
  }
  expect(seen).toEqual([]);
});

test('a whole share with links that lead out of it comes without what they lead to', async () => {
  const { words, content } = await fetchAll('open');
  expect(words).toContain('chunk');
  expect(content).toContain('for all');
  expect(content).not.toContain(SECRET);
});

test('what is for others is answered as what is not there', async () => {
  const messenger = await connect('session');
  const hand = new Hand(messenger);
  const all = await list(hand, '');
  expect((JSON.parse(all.content) as { name: string }[]).map(({ name }) => name)).toEqual(['open']);
  for (const path of ['lab', 'lab/secret', 'lab/nothing', 'collected', 'collected/secret', 'nowhere']) {
    await hand.say({ type: 'list', id: '1' }, { path });
    const answer = await hand.hear('listing', 'error');
    const [share] = path.split('/');
    expect(answer?.header['code']).toBe('path-missing');
    expect(answer?.header['message']).toBe(
      `bob offers no \`${share}\`: \`filer-client ls bob\` shows what there is`,
    );
  }
  await messenger.close();

  const [seen] = await network.ask('anna', 'ls', 'bob');
  expect(listOf(seen, 'entries').map(({ name }) => name)).toEqual(['lab', 'open']);
});

describe.each([
  ['list', 'session'],
  ['fetch', 'transfer'],
] as const)('an invalid %s', (type, purpose) => {
  test.each([
    ['no content', ''],
    ['no JSON', '{'],
    ['no object', '[]'],
    ['no path', '{"name":"x"}'],
    ['a number', '{"path":1,"name":"x"}'],
    ['a path that is too long', JSON.stringify({ path: 'x'.repeat(20_000), name: 'x' })],
    ['a content that is too large', JSON.stringify({ path: 'x', name: 'x', more: 'y'.repeat(200_000) })],
    ['the path in a prototype', '{"__proto__":{"path":"open","name":"x"}}'],
  ])('is refused, and bob continues: %s', async (_what, content) => {
    const messenger = await connect(purpose);
    const hand = new Hand(messenger);
    await hand.say({ type, id: '1' }, Buffer.from(content));
    expect((await hand.hear('error'))?.header).toMatchObject({ code: 'message-malformed', re: '1' });
    messenger.destroy();
    expect((await fetchAll('open/sub/file')).content).toContain('for all');
  });
});

test('a connection for a transfer that says something else first, or nothing whole, costs nothing but itself', async () => {
  for (const bytes of [
    encodeFrame({ type: 'chunk', entry: '0', offset: '0' }, Buffer.from('x')),
    Buffer.alloc(5),
  ]) {
    const messenger = await connect('transfer');
    messenger.socket.write(bytes);
    messenger.socket.end();
    await messenger.closed;
  }
  expect((await fetchAll('open/sub/file')).content).toContain('for all');
});

test('a share whose folder was moved or replaced by a link is not served', async () => {
  const [place, away] = [network.path('place'), network.path('away')];
  await mkdir(place);
  await writeFile(join(place, 'file'), 'in place');
  await network.ask('bob', 'share', 'add', place);
  expect((await fetchAll('place/file')).content).toContain('in place');

  await rename(place, away);
  expect((await fetchAll('place/file')).words).toEqual(['error path-missing']);
  await symlink(network.path('outside'), place);
  expect((await fetchAll('place/secret')).words).toEqual(['error path-missing']);
  const shown = await network.client('anna', ['ls', 'bob:place']);
  expect(shown).toMatchObject({ code: 1, stdout: '' });
  expect(shown.stderr).toContain('the folder of the share "place" is not there now');
});

test('a file with several names is one file, and a share takes it as such', async () => {
  await writeFile(network.path('named-twice'), 'one file');
  await link(network.path('named-twice'), join(network.path('open'), 'sub', 'hard'));
  expect((await fetchAll('open/sub/hard')).content).toContain('one file');
});
