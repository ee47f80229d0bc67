import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Evil, EvilPeer } from '../support/evil-peer.ts';
import { runHere, until } from '../support/in-process.ts';
import { openLiar } from '../support/liar-here.ts';
import type { ClientHere, NetworkHere } from '../support/network-here.ts';
import { jsonLines, type Line } from '../support/programs.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import type { Hand } from '../transfer/by-hand.ts';

/* What commands say, and which code they end with, where the other machine gives false answers. Who dials bob reaches the liar. */

let network: NetworkHere;
let proxy: TcpProxy;
let liar: EvilPeer;
let anna: ClientHere;
let file: string;

beforeAll(async () => {
  ({ network, proxy, liar, anna } = await openLiar());
  file = join(network.folder, 'file');
  await writeFile(file, 'content');
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await liar[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

async function run(...args: string[]): Promise<{ code: number | null; lines: Line[] }> {
  const outcome = await runHere('filer-client', anna.home, [...args, '--json']);
  return { code: outcome.code, lines: jsonLines(outcome) };
}

function jobsOf(lines: readonly Line[]): Line[] {
  return lines.flatMap(({ jobs }) => (Array.isArray(jobs) ? (jobs as Line[]) : []));
}

async function answering(hand: Hand, answer: object): Promise<void> {
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const entries = await hand.hear('entries');
  await hand.say({ type: 'entries-answer', re: entries?.header['id'] ?? '' }, [answer]);
}

/** Takes the offer, and gives one answer to the one entry. */
function answers(answer: object): Evil {
  return async ({ hand }) => {
    await answering(hand, answer);
    await hand.hear('done', 'error');
    await hand.say({ type: 'done' });
    await hand.hear();
  };
}

describe('send delivers nothing to a receiver that', () => {
  test.each<[string, Evil]>([
    ['leaves the file out', answers({ answer: 'unwanted' })],
    ['signs for nothing', answers({ answer: 'want' })],
    [
      'refuses as if the connection had ended',
      answers({ answer: 'refused', code: 'connection-closed', message: 'x' }),
    ],
    [
      'refuses as if the file had changed',
      answers({ answer: 'refused', code: 'source-changed', message: 'x' }),
    ],
    ['refuses as if all were done', answers({ answer: 'refused', code: 'partial', message: 'x' })],
  ])('%s', async (_, does) => {
    liar.does = does;
    const { code, lines } = await run('send', file, '--to', 'bob', '--timeout', '1s');

    expect(code).not.toBe(0);
    expect(lines.at(-1)).toMatchObject({
      ok: false,
      filesSent: 0,
      filesSkipped: 0,
      recipients: [{ name: 'bob', ok: false, state: 'failed' }],
    });
    expect(lines.filter(({ type }) => type === 'receipt')).toEqual([]);
  });
});

test('a watch that deletes after delivery keeps what no one signed for', async () => {
  const watched = join(network.folder, 'watched');
  await mkdir(watched);
  await writeFile(join(watched, 'a'), 'the only copy');
  const asked = Promise.withResolvers<void>();
  liar.does = async ({ hand }) => {
    const offer = await hand.hear('offer');
    await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
    for (let batch = await hand.hear('entries', 'done'); batch !== undefined; batch = await hand.hear()) {
      const { type, id = '' } = batch.header;
      if (type === 'done') await hand.say({ type: 'done' });
      if (type !== 'entries') continue;
      const entries: unknown = JSON.parse(batch.content.toString());
      const all = Array.isArray(entries) ? entries : [];
      const refused = { answer: 'refused', code: 'source-changed', message: 'x' };
      const given = all.map(({ kind, path }) => (kind === 'dir' ? { answer: 'made', path } : refused));
      await hand.say({ type: 'entries-answer', re: id }, given);
      asked.resolve();
    }
  };
  await run('watch', 'add', watched, '--to', 'bob', '--delete-after');
  await asked.promise;
  const isWatched = ({ paths }: Line): boolean => Array.isArray(paths) && paths.includes(watched);
  await until(
    async () => jobsOf((await run('history')).lines).find(isWatched),
    (job) => job?.['state'] === 'failed',
  );

  expect(await readFile(join(watched, 'a'), 'utf8')).toBe('the only copy');
  await run('watch', 'remove', watched, '--yes');
});

describe('get fails where the owner of the share', () => {
  async function offers(hand: Hand, entries: object[]): Promise<void> {
    await hand.hear('fetch');
    const totals = { complete: '1', files: '1', bytes: '1' };
    await hand.say({ type: 'offer', id: 'o', job: 'job', ...totals }, { names: ['a'], note: '' });
    await hand.hear('answer');
    await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, entries);
    await hand.hear('entries-answer');
  }
  const entry = { path: 'a', kind: 'file', size: 1, mtimeNs: '0', mode: 0o644 };
  const end = async (hand: Hand): Promise<void> => {
    await hand.say({ type: 'done' });
    await hand.hear('done', 'error');
  };
  test.each<[string, Evil]>([
    [
      'announces nothing',
      async ({ hand }) => {
        await offers(hand, []);
        await end(hand);
      },
    ],
    [
      'announces something else',
      async ({ hand }) => {
        await offers(hand, [{ ...entry, path: 'b' }]);
        await end(hand);
      },
    ],
    [
      'announces the file and sends nothing',
      async ({ hand }) => {
        await offers(hand, [entry]);
        await end(hand);
      },
    ],
    [
      'gives the file up as if the connection had ended',
      async ({ hand }) => {
        await offers(hand, [entry]);
        await hand.say({ type: 'abandon', entry: '0', code: 'connection-closed', message: 'x' });
        await end(hand);
      },
    ],
    [
      'tells that it cannot be sent, as if the connection had ended',
      async ({ hand }) => {
        await offers(hand, []);
        await hand.say({ type: 'unsent', code: 'connection-closed', message: 'x' }, { path: 'a' });
        await end(hand);
      },
    ],
  ])('%s', async (_, does) => {
    liar.does = does;
    const { code, lines } = await run('get', 'bob:docs/a', join(network.folder, 'a'), '--timeout', '1s');

    expect(code).not.toBe(0);
    expect(lines.at(-1)).toMatchObject({ ok: false, filesSent: 0, recipients: [{ ok: false }] });
  });
});
