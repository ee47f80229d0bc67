import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, type ErrorCode } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EvilPeer, type Evil } from '../support/evil-peer.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { jsonLines } from '../support/programs.ts';

/* bob is a member whose program is not ours; the commands of anna, whose daemon runs, ask him. */

let network: NetworkHere;
let anna: ClientHere;
let evil: EvilPeer;
let file: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  anna = await network.add('anna');
  const bob = await network.add('bob');
  await anna.sees('bob');
  const { port } = bob;
  await bob[Symbol.asyncDispose]();
  evil = await EvilPeer.open(network.home('bob'), port);
  file = join(network.folder, 'file');
  await writeFile(file, 'content');
});
afterAll(async () => {
  await evil[Symbol.asyncDispose]();
  await network[Symbol.asyncDispose]();
});

/** Answers the first question with an error. */
function answers(code: ErrorCode): Evil {
  return async ({ hand }) => {
    const asked = await hand.hear();
    await hand.say({ type: 'error', re: asked?.header['id'] ?? '', code, message: 'my words' });
    await hand.hear();
  };
}

const commands = (): Record<string, string[]> => ({
  ls: ['ls', 'bob'],
  get: ['get', 'bob:share', network.folder, '--timeout', '1s'],
  send: ['send', file, '--to', 'bob', '--timeout', '1s'],
  message: ['message', 'bob', 'text'],
});

describe.each([
  'identity-changed',
  'not-joined',
  'server-unreachable',
  'needs-daemon',
  'no-such-peer',
] as const)('a peer that says %s', (code) => {
  test.each(['ls', 'get', 'send', 'message'])('refuses %s, in its own words', async (name) => {
    const args = [...(commands()[name] ?? []), '--json'];
    for (const does of [answers(code), new FilerError(code, 'my words')]) {
      evil.does = does;
      const outcome = await anna.run(...args);
      expect(outcome.code).toBe(6);
      expect(jsonLines(outcome).map(({ code: said }) => said)).not.toContain(code);
      expect(outcome.stderr).toContain('bob says: "my words"');
    }
  });
});

test.each(['../../etc', '/etc/passwd', '..', '.', '', 'a/b', 'nul\0'])(
  'a listing with the name %j is refused, with --json too',
  async (name) => {
    evil.does = async ({ hand }) => {
      const asked = await hand.hear('list');
      const item = { name, kind: 'dir', size: 0, mtimeNs: '0' };
      await hand.say({ type: 'listing', re: asked?.header['id'] ?? '' }, [item]);
      await hand.hear();
    };
    const outcome = await anna.run('ls', 'bob:share', '--json');
    expect(outcome.code).toBe(1);
    expect(jsonLines(outcome).at(-1)).toMatchObject({ code: 'message-malformed' });
    expect(jsonLines(outcome)).toHaveLength(1);
  },
);

describe('a transfer with a short --timeout ends with exit 9, whatever the peer does', () => {
  const offer = { type: 'offer', id: 'o', job: 'job', complete: '1', files: '1', bytes: '1000000' };
  const entry = { path: 'share', kind: 'file', size: 1_000_000, mtimeNs: '0', mode: 0o644 };
  const forever = async (say: () => Promise<void>): Promise<void> => {
    for (;;) {
      await say();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const ways: [string, Evil][] = [
    ['says nothing', async ({ hand }) => void (await hand.hear('never'))],
    ['works for ever', ({ hand }) => forever(() => hand.say({ type: 'working' }))],
    ['asks a person for ever', ({ hand }) => forever(() => hand.say({ type: 'working', asking: '1' }))],
    [
      'drips',
      async ({ hand }) => {
        await hand.hear('fetch', 'offer');
        await hand.say(offer, { names: ['share'], note: '' });
        await hand.hear('answer');
        await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [entry]);
        await hand.hear('entries-answer');
        await hand.file(0, 1_000_000);
        let offset = 0;
        await forever(() => hand.chunk(0, offset++, Buffer.from('x')));
      },
    ],
  ];
  const rows = ways.flatMap(([name, does]) =>
    ['get', 'send'].flatMap((command) =>
      name === 'drips' && command === 'send' ? [] : [[name, command, does] as const],
    ),
  );
  test.each(rows)('%s to %s', async (_, command, does) => {
    evil.does = does;
    expect((await anna.run(...(commands()[command] ?? []))).code).toBe(9);
  });
});
