import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { FilerError, formatReceipts } from '@filer/protocol';
import { signReceipts } from '@filer/transfer';
import { EvilPeer, type Evil } from '../support/evil-peer.ts';
import { needs } from '../support/needs.ts';
import { jsonLines, type Outcome } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { Terminal } from '../support/terminal.ts';
import { TestNetwork } from '../support/test-network.ts';
import { digestsOf } from '../transfer/by-hand.ts';

const bin = fileURLToPath(new URL('../../apps/filer-client/bin/filer-client.js', import.meta.url));

/** What moves, hides, reverses or breaks a line; a line of its own that is not ours would begin with INJECTED. */
const NASTY = [
  ...['\u001b[31m', '\u001b]0;title\u0007', '\u001b[2J', '\u009b1A', '\b\b', '\r', '\u0085', '\u007f'],
  ...['\u202e', '\u2066', '\u200b', '\u200f', '\u2028', '\u2029', '\ufeff', '\u061c', '\ue000', '\u{e0041}'],
].join('');
const EVIL = `x\nINJECTED${NASTY}y`;

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Lines that a terminal would not show as they are, or that are not ours. */
function unfit(text: string): string[] {
  return text.split('\n').filter((line) => UNPRINTABLE.test(line) || line.startsWith('INJECTED'));
}

function expectFit({ stdout, stderr }: Pick<Outcome, 'stdout' | 'stderr'>): void {
  expect([...unfit(stdout), ...unfit(stderr)]).toEqual([]);
}

/** anna's daemon runs; bob's too, but who dials it comes to whatever the proxy leads to. */
let network: TestNetwork;
let proxy: TcpProxy;
let evil: EvilPeer;
let bobsOwn: string;
let file: string;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
  proxy = await TcpProxy.open();
  await Promise.all([network.join('bob'), network.join('carol')]);
  const bob = await network.startAlone('bob', '--advertise', proxy.address);
  bobsOwn = bob.listen;
  proxy.target = bobsOwn;
  evil = await EvilPeer.open(network.home('bob'));
  await network.seesAs('anna', 'bob', 'online');
  await network.seesAs('carol', 'bob', 'online');
  file = await network.file('plain.bin', 1_000);
});
afterAll(async () => {
  await network.close();
  await evil[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

/** A command as a person and as a program sees it. */
async function both(name: string, ...args: string[]): Promise<Outcome[]> {
  const runs = [args, [...args, '--json']].map((each) => network.client(name, each));
  const outcomes = await Promise.all(runs);
  outcomes.forEach(expectFit);
  expect(() => jsonLines(outcomes[1] ?? { stdout: '' })).not.toThrow();
  return outcomes;
}

describe('names, notes and texts of another machine are escaped', () => {
  test('where they are sent and where they come in: command, JSON, inbox, messages, log', async () => {
    const folder = network.path(EVIL);
    await mkdir(join(folder, EVIL), { recursive: true });
    await writeFile(join(folder, EVIL, EVIL), 'content');
    await writeFile(network.path(`${EVIL}.txt`), 'content');
    const outcomes = await Promise.all([
      both('anna', 'send', folder, network.path(`${EVIL}.txt`), '--to', 'bob', '--note', EVIL),
      both('carol', 'send', folder, '--to', 'bob', '--note', EVIL),
      both('anna', 'message', 'bob', EVIL),
      both('carol', 'broadcast', EVIL),
      both('anna', 'report', `key=${EVIL}`, '--title', EVIL),
    ]);
    expect(outcomes.flat().map(({ code }) => code)).toEqual(outcomes.flat().map(() => 0));
    await network.daemon('bob').said('message', 3);

    const [inbox] = await both('bob', 'inbox');
    expect(inbox?.stdout).toContain('INJECTED');
    const [items] = await network.ask('bob', 'inbox');
    expect(JSON.stringify(items)).toContain(JSON.stringify(EVIL).slice(1, -1)); // the same value for a program
    const [messages] = await both('bob', 'messages');
    expect(messages?.stdout).toContain('INJECTED');
    await Promise.all([both('anna', 'history'), both('anna', 'transfers')]);
    const ofServer = [['reports'], ['reports', '--json'], ['peers']].map((args) => network.ofServer(args));
    (await Promise.all(ofServer)).forEach(expectFit);
    for (const name of ['anna', 'bob', 'server']) expectFit(network.daemon(name));
    expect(network.daemon('bob').stderr).toContain('INJECTED');
  });

  test.skipIf(needs('python3'))('in the shell, where they are shown while they come', async () => {
    const env = { FILER_HOME: network.home('bob') };
    const terminal = new Terminal([process.execPath, bin, 'shell'], env);
    onTestFinished(() => terminal.kill());
    await terminal.shows('bob> ');
    await network.ask('anna', 'message', 'bob', EVIL);
    await terminal.shows('message from anna: x\\u{a}INJECTED');
    await network.ask('carol', 'send', network.path(`${EVIL}.txt`), '--to', 'bob', '--note', EVIL);
    await terminal.shows('received x\\u{a}INJECTED');
    terminal.type('exit\r');
    await terminal.ended();

    // What moves the cursor and draws the prompt again is ours; it holds none of what was planted.
    const planted = [
      ...'\u0007 \u009b \u0085 \u202e \u2066 \u200b \u200f \u2028 \u2029 \ufeff \u061c \ue000'.split(' '),
      '\u{e0041}',
    ];
    expect(planted.filter((character) => terminal.shown.includes(character))).toEqual([]);
    for (const sequence of ['\u001b[31m', '\u001b]0;', '\u001b[2J', '\n\rINJECTED', '\nINJECTED'])
      expect(terminal.shown).not.toContain(sequence);
  });

  test('where a path, a name or a command is wrong', async () => {
    const outcomes = await Promise.all([
      both('anna', 'send', network.path(`${EVIL}-missing`), '--to', 'bob'),
      both('anna', 'send', file, '--to', EVIL),
      both('anna', 'message', EVIL, 'text'),
      both('anna', EVIL),
    ]);
    expect(outcomes.map(([plain]) => plain?.code)).toEqual([1, 4, 4, 2]);
  });
});

/** Takes the offer and the one entry of it. @returns the job */
async function take({ hand }: Parameters<Evil>[0], answer: object = { answer: 'want' }): Promise<string> {
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [answer]);
  return offer?.header['job'] ?? '';
}

const REASON = { code: 'refused', message: EVIL };

describe('what an evil receiver says is escaped:', () => {
  const rows: [string, Evil | FilerError][] = [
    ['why it refuses the connection', new FilerError('refused', EVIL)],
    [
      'why it refuses the offer',
      async ({ hand }) => {
        const offer = await hand.hear('offer');
        await hand.say({ type: 'error', re: offer?.header['id'] ?? '', ...REASON });
        await hand.hear();
      },
    ],
    ['why it refuses a file', async (peer) => void (await take(peer, { answer: 'refused', ...REASON }))],
    [
      'why a file failed',
      async (peer) => {
        await take(peer);
        await peer.hand.hear('end');
        await peer.hand.say({ type: 'failed', entry: '0', code: 'no-space', message: EVIL });
        await peer.hand.hear('done');
        await peer.hand.say({ type: 'done' });
        await peer.hand.hear();
      },
    ],
    [
      'where it says it put a file',
      async (peer) => {
        const { hand, network: id, identity } = peer;
        const job = await take(peer);
        const chunk = await hand.hear('chunk');
        await hand.hear('done');
        const content = chunk?.content ?? Buffer.alloc(0);
        const placed = { entry: 0, name: 'plain.bin', path: `anna/${EVIL}`, size: content.length };
        const files = [{ ...placed, ...digestsOf(content), synced: true }];
        const sender = network.daemon('anna').id;
        const batch = signReceipts({ network: id, job, sender, time: 1, files }, identity);
        const { header, content: body } = formatReceipts(batch);
        await hand.messenger.send(header, body);
        await hand.say({ type: 'done' });
        await hand.hear();
      },
    ],
    [
      'what it says last',
      async ({ hand }) => {
        await hand.hear('offer');
        await hand.say({ type: 'error', code: EVIL, message: EVIL });
      },
    ],
  ];
  test.each(rows)('%s', async (_, does) => {
    evil.does = does;
    proxy.target = evil.address;
    const [plain] = await both('anna', 'send', file, '--to', 'bob', '--timeout', '1s');
    proxy.target = bobsOwn;

    expect(`${plain?.stdout}${plain?.stderr}`).toContain('INJECTED');
    expectFit(network.daemon('anna'));
  });
});
