import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, type ErrorCode } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Hand } from '../transfer/by-hand.ts';
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
  get: ['get', 'bob:share', network.folder, '--timeout', '30s'],
  send: ['send', file, '--to', 'bob', '--timeout', '30s'],
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
  const refused = { ...entry, path: '../x' };
  const mayReceive = /^(says|works|asks a)/;
  const forever = async (say: () => Promise<void>): Promise<void> => {
    for (;;) {
      await say();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const ways: [string, Evil][] = [
    ['says nothing', async ({ hand }) => void (await hand.hear('never'))],
    ['works forever', ({ hand }) => forever(() => hand.say({ type: 'working' }))],
    ['asks a person forever', ({ hand }) => forever(() => hand.say({ type: 'working', asking: '1' }))],
    [
      'drips',
      async ({ hand }) => {
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
  /** What the owner of a share says over and over, once the entry was announced or before. */
  const again: [string, (hand: Hand, n: number) => Promise<void>][] = [
    ['announces nothing', (hand, n) => hand.say({ type: 'entries', id: `e${n}`, first: '1' }, [])],
    [
      'announces what is refused',
      (hand, n) => hand.say({ type: 'entries', id: `e${n}`, first: String(n + 1) }, [refused]),
    ],
    [
      'begins and gives up',
      async (hand) => {
        await hand.file(0, 1_000_000);
        await hand.say({ type: 'abandon', entry: '0', code: 'refused', message: 'x' });
      },
    ],
    [
      'asks for what is there',
      async (hand, n) => {
        if (n === 0) await hand.file(0, 1_000_000);
        await hand.say({ type: 'basis', id: `b${n}`, entry: '0', first: '0', count: '1' });
      },
    ],
  ];
  for (const [name, say] of again) {
    ways.push([
      `${name}, again and again,`,
      async ({ hand }) => {
        await hand.say(offer, { names: ['share'], note: '' });
        await hand.hear('answer');
        await hand.say({ type: 'entries', id: 'e', first: '0' }, [entry]);
        await hand.hear('entries-answer');
        // What it hears is nothing to it.
        void hand.hear('never').catch(() => undefined);
        let n = 0;
        await forever(() => say(hand, n++));
      },
    ]);
  }
  const rows = ways.flatMap(([name, does]) =>
    ['get', 'send'].flatMap((command) =>
      command === 'send' && !mayReceive.test(name) ? [] : [[name, command, does] as const],
    ),
  );
  /** Of all rows at once, since each takes its time; what is asked for names the row. */
  let codes: readonly (number | null)[];
  const visited = new Set<number>();
  beforeAll(async () => {
    evil.does = async (peer) => {
      const { header = {}, content = '' } = (await peer.hand.hear('fetch', 'offer')) ?? {};
      const [, row] = /row-([0-9]+)/.exec(`${JSON.stringify(header)} ${content.toString()}`) ?? [];
      visited.add(Number(row));
      await rows[Number(row)]?.[2](peer);
    };
    const run = async (command: string, row: string): Promise<number | null> => {
      const place = join(network.folder, row);
      await (command === 'send' ? writeFile(place, 'content') : mkdir(place));
      const args = command === 'send' ? [place, '--to', 'bob'] : [`bob:${row}/share`, place];
      return (await anna.run(command, ...args, '--timeout', '1s')).code;
    };
    codes = await Promise.all(rows.map(([, command], n) => run(command, `row-${n}-${command}`)));
  });
  test.each(rows.map(([way, command], n) => [way, command, n] as const))('%s to %s', (_way, _command, n) => {
    expect([codes[n], visited.has(n)]).toEqual([9, true]);
  });
});
