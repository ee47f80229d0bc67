import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FilerError, type Message } from '@filer/protocol';
import { guardFolders, sendFiles } from '@filer/transfer';
import { Hand, withReceiver } from '../transfer/by-hand.ts';
import { connected, sendOptions, twoEnds, type TwoEnds } from '../transfer/two-ends.ts';

/* What a machine whose files are refused, or whose fetch fails, learns of the folders of the other one. */

/** All that comes until the connection ends or both are done. */
async function everything(hand: Hand): Promise<Message[]> {
  const heard: Message[] = [];
  for (;;) {
    const message = await hand.hear();
    if (message === undefined) return heard;
    heard.push(message);
    if (message.header['type'] === 'done') return heard;
  }
}

function wordsOf(messages: readonly Message[]): string {
  return messages.map(({ header, content }) => JSON.stringify(header) + content.toString()).join('\n');
}

describe('a sender is told about a refusal without a path of the receiver, where', () => {
  test.each<[string, (ends: TwoEnds) => Promise<unknown>, string]>([
    ['the inbox is a file', ({ inbox }) => writeFile(inbox, ''), 'a'],
    ['the inbox is a link to nothing', ({ inbox }) => symlink('/nowhere/at all', inbox), 'a'],
    [
      'its folder is a file',
      async ({ inbox }) => {
        await mkdir(inbox);
        await writeFile(join(inbox, 'alice'), '');
      },
      'a',
    ],
    [
      'a folder on the way is a link',
      async ({ inbox, home }) => {
        await mkdir(join(inbox, 'alice'), { recursive: true });
        await symlink(home, join(inbox, 'alice', 'tree'));
      },
      'tree/a',
    ],
    [
      'a folder on the way is the home of filer',
      async ({ inbox }) => {
        const own = join(inbox, 'alice', 'tree');
        await mkdir(own, { recursive: true });
        const guard = guardFolders({ homes: [own], spools: [] });
        onTestFinished(() => guard[Symbol.dispose]());
      },
      'tree/a',
    ],
  ])('%s', async (_, prepare, name) => {
    const ends = await twoEnds();
    await prepare(ends);
    const { hand, messenger, outcome } = await withReceiver(ends);
    const said = (async () => {
      const totals = { complete: '1', files: '1', bytes: '1' };
      const entry = { path: name, kind: 'file', size: 1, mtimeNs: '0', mode: 0o644 };
      await hand.say({ type: 'offer', id: 'o', job: 'job', ...totals }, { names: ['a'], note: '' });
      await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [entry]);
      await hand.file(0, 1);
      await hand.chunk(0, 0, Buffer.from('x'));
      await hand.end(0, Buffer.from('x'));
      await hand.say({ type: 'done' });
    })().catch(() => undefined);
    const heard = everything(hand);
    const received = await outcome;
    messenger.reject(received.error ?? new FilerError('internal', `${ends.inbox} is closed`));
    await said;

    expect(wordsOf(await heard)).not.toContain(ends.home);
  });
});

test('who fetches is told what stays there without a path of the owner', async () => {
  const ends = await twoEnds();
  const tree = join(ends.home, 'tree');
  await mkdir(tree);
  await symlink('/nowhere/at all', join(tree, 'out'));
  await symlink(join(ends.home, 'tree'), join(tree, 'absolute'));
  await writeFile(join(tree, 'a'), 'x');
  const { dialler, accepter } = await connected();
  const hand = new Hand(dialler);
  const outcome = sendFiles(
    accepter,
    sendOptions(ends, ['tree'], { tellsUnsent: true, receiverChooses: true }),
  );
  const offer = await hand.hear('offer');
  await hand.say({ type: 'answer', re: offer?.header['id'] ?? '' });
  const heard: Message[] = [];
  for (let message = await hand.hear(); message !== undefined; message = await hand.hear()) {
    heard.push(message);
    const { type, id = '' } = message.header;
    const entries: unknown = type === 'entries' ? JSON.parse(message.content.toString()) : [];
    const answers = Array.isArray(entries) ? entries.map(() => ({ answer: 'unwanted' })) : [];
    if (type === 'entries') await hand.say({ type: 'entries-answer', re: id }, answers);
    if (type === 'done') await hand.say({ type: 'done' });
    if (type === 'done') break;
  }
  await outcome;

  expect(heard.filter(({ header }) => header['type'] === 'unsent')).toHaveLength(2);
  expect(wordsOf(heard)).not.toContain(ends.home);
  expect(wordsOf(heard)).not.toContain('nowhere');
});
