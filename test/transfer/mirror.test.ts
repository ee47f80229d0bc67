import { chmod, lstat, mkdir, readdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  createKeyPair,
  formatAnswer,
  formatExtras,
  formatExtrasAnswer,
  formatRemove,
  formatRemoved,
  type Extra,
  type Messenger,
  type RemovedBatch,
} from '@filer/protocol';
import {
  previewMirror,
  receiveFiles,
  sendFiles,
  tellExtras,
  verifyRemoved,
  type ReceiveOptions,
  type SendEvent,
  type SendOptions,
} from '@filer/transfer';
import { isGone } from '../../packages/transfer/src/send/gone-files.ts';
import { filesBelow } from '../support/test-network.ts';
import { deliveredBefore } from './delivered-before.ts';
import { connected, receiveOptions, sendOptions, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

let ends: TwoEnds;
let deliveries = deliveredBefore();
beforeEach(async () => {
  ends = await twoEnds();
  deliveries = deliveredBefore();
  for (const path of ['a', 'sub/b', 'sub/deep/c', 'old/d']) await put(path, path);
});

function here(...path: string[]): string {
  return join(ends.home, 'tree', ...path);
}

function there(...path: string[]): string {
  return join(ends.inbox, 'alice', 'tree', ...path);
}

async function put(path: string, content: string): Promise<void> {
  await mkdir(dirname(here(path)), { recursive: true });
  await writeFile(here(path), content);
}

async function send(
  { send: more = {}, receive = {} }: { send?: Partial<SendOptions>; receive?: Partial<ReceiveOptions> } = {},
  names: readonly string[] = ['tree'],
) {
  const events: SendEvent[] = [];
  const batches: RemovedBatch[] = [];
  const { sent } = await transfer(ends, names, {
    send: {
      job: 'job',
      mirror: true,
      onConflict: 'update',
      on: (event) => events.push(event),
      keepRemoved: (batch) => void batches.push(batch),
      ...more,
    },
    receive: { deliveries, policy: { mirror: true }, ...receive },
  });
  const removed = events.flatMap((event) => (event.type === 'removed' ? [event.extra.name] : []));
  const kept = events.flatMap((event) => (event.type === 'not-removed' ? [event.file] : []));
  return { sent, removed, kept, batches };
}

describe('a mirror', () => {
  test('removes what is gone here, files before their folders, and the receiver signs for it', async () => {
    await symlink('a', here('link'));
    await send();
    for (const path of ['old', 'sub/deep', 'link']) await rm(here(path), { recursive: true });

    const { sent, removed, kept, batches } = await send({ send: { job: 'second' } });

    expect(sent).toMatchObject({ ok: true, filesSkipped: 2 });
    expect(removed).toEqual(['tree/sub/deep/c', 'tree/sub/deep', 'tree/old/d', 'tree/old', 'tree/link']);
    expect(kept).toEqual([]);
    expect(await filesBelow(there())).toEqual(['a', 'sub/b']);
    expect((await readdir(there())).toSorted()).toEqual(['a', 'sub']);
    const [batch] = batches;
    if (batch === undefined) throw new Error('a batch came');
    verifyRemoved(batch);
    expect(batch).toMatchObject({ job: 'second', sender: ends.sender.id, receiver: ends.receiver.id });
    expect(batch.files.find(({ kind }) => kind === 'file')).toMatchObject({
      path: 'alice/tree/sub/deep/c',
      size: 10,
      digest: expect.stringMatching(/^blake3:/),
    });
    expect(() => verifyRemoved({ ...batch, files: batch.files.slice(1) })).toThrow('altered');
  });

  test('removes nothing when nothing is gone, or where it is not asked for', async () => {
    await send();
    expect(await send({ send: { job: 'second' } })).toMatchObject({ removed: [], kept: [], batches: [] });
    await rm(here('a'));
    expect(await send({ send: { mirror: false } })).toMatchObject({ removed: [], batches: [] });
    expect(await filesBelow(there())).toContain('a');
  });

  test.each<[string, () => Promise<void>]>([
    ['edited', () => writeFile(there('old', 'd'), 'mine')],
    ['touched', () => utimes(there('old', 'd'), 1, 1)],
    [
      'replaced by an equal one',
      async () => {
        await rm(there('old', 'd'));
        await writeFile(there('old', 'd'), 'old/d');
      },
    ],
    [
      'replaced by a link to an equal one',
      async () => {
        await rename(there('old', 'd'), join(ends.home, 'd'));
        await symlink(join(ends.home, 'd'), there('old', 'd'));
      },
    ],
  ])('keeps what was %s there, and the folder that it is in, and says so', async (_, change) => {
    await send();
    await change();
    await rm(here('old'), { recursive: true });

    const { sent, removed, kept } = await send({ send: { job: 'second' } });

    expect(sent.ok).toBe(true);
    expect(removed).toEqual([]);
    expect(kept).toEqual([here('old', 'd'), here('old')]);
    expect(await readdir(there('old'))).toEqual(['d']);
  });

  test('keeps what somebody added, and its folder', async () => {
    await send();
    await writeFile(there('old', 'added'), 'mine');
    await writeFile(there('own'), 'mine');
    await rm(here('old'), { recursive: true });

    expect(await send({ send: { job: 'second' } })).toMatchObject({
      removed: ['tree/old/d'],
      kept: [here('old')],
    });
    expect(await filesBelow(there())).toEqual(['a', 'old/added', 'own', 'sub/b', 'sub/deep/c']);
  });

  test('keeps what is excluded here, though it is gone', async () => {
    await send();
    await rm(here('old'), { recursive: true });
    await rm(here('sub'), { recursive: true });
    const ignored = (_: string, path: string): boolean => path === 'old' || path === 'sub/b';

    const { removed } = await send({ send: { job: 'second', ignored } });

    expect(removed).toEqual(['tree/sub/deep/c', 'tree/sub/deep']);
    expect(await filesBelow(there())).toEqual(['a', 'old/d', 'sub/b']);
  });

  test('removes nothing of a folder of which something failed, and all the same of another one', async () => {
    const other = join(ends.home, 'other');
    await mkdir(other);
    for (const name of ['x', 'y']) await writeFile(join(other, name), name);
    await send({}, ['tree', 'other']);
    await rm(here('a'));
    await rm(join(other, 'x'));
    await writeFile(here('big'), 'too large for it');

    const { sent, removed, kept } = await send(
      { send: { job: 'second' }, receive: { policy: { mirror: true, maxFileBytes: 12 } } },
      ['tree', 'other'],
    );

    expect(sent).toMatchObject({ ok: false, filesFailed: 1 });
    expect(removed).toEqual(['other/x']);
    expect(kept).toEqual([here()]);
    expect(await filesBelow(there())).toContain('a');
  });

  test.each([
    ['keep', ['tree/l/seen', 'tree/l/unseen']],
    ['copy', ['tree/l/seen']],
  ] as const)('tells nothing of what is behind a link unless that was sent: %s', async (links, kept) => {
    await mkdir(join(ends.home, 'outside'));
    await writeFile(join(ends.home, 'outside', 'seen'), '');
    await symlink('../outside', here('l'));
    const names = ['tree/l/seen', 'tree/l/unseen', 'tree/none'];
    const isKept = (name: string): boolean =>
      !isGone({ file: here(), name: 'tree' }, { name, kind: 'file' }, { ignored: undefined, links });

    expect(names.filter(isKept)).toEqual(kept);
    expect(isKept('tree/l')).toBe(true);
    expect(isKept('tree/a/below')).toBe(false);
  });

  test('removes nothing behind a copied link that leads nowhere, as to a disk that is not mounted', async () => {
    const outside = join(ends.home, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'f'), '');
    await symlink('../outside', here('l'));
    const isGoneNow = (): boolean =>
      isGone(
        { file: here(), name: 'tree' },
        { name: 'tree/l/f', kind: 'file' },
        { ignored: undefined, links: 'copy' },
      );
    await rm(join(outside, 'f'));
    expect(isGoneNow()).toBe(true);
    await rename(outside, `${outside}-away`);
    expect(isGoneNow()).toBe(false);
    await rm(here('l'));
    expect(isGoneNow()).toBe(true);
  });

  test('what stays is noted as it was: its user may remove it later, and no job signs for that', async () => {
    await send();
    await writeFile(there('old', 'd'), 'his');
    await rm(here('old'), { recursive: true });

    const { kept } = await send({ send: { job: 'second' } });

    expect(kept).toEqual([here('old', 'd'), here('old')]);
    for (const path of ['alice/tree/old/d', 'alice/tree/old'])
      expect(deliveries.find(path)).toMatchObject({ job: 'job', removing: undefined });
    await rm(there('old', 'd'));
    expect((await send({ send: { job: 'second' } })).removed).toEqual(['tree/old']);
  });

  test('keeps the times and permissions of the folders that it takes something from', async () => {
    await chmod(here('sub'), 0o555);
    await utimes(here('sub'), 1_000, 1_000);
    await send();
    await chmod(here('sub'), 0o755);
    await rm(here('sub', 'b'));
    await chmod(here('sub'), 0o555);
    await utimes(here('sub'), 1_000, 1_000);

    expect((await send({ send: { job: 'second' } })).removed).toEqual(['tree/sub/b']);

    const { mode, mtimeMs } = await lstat(there('sub'));
    expect([mode & 0o777, Math.floor(mtimeMs)]).toEqual([0o555, 1_000_000]);
    await chmod(there('sub'), 0o755);
    await chmod(here('sub'), 0o755);
  });

  test('removes a folder that was sent without the right to write to it', async () => {
    await chmod(here('old'), 0o555);
    await send();
    await chmod(here('old'), 0o755);
    await rm(here('old'), { recursive: true });

    const { removed, kept } = await send({ send: { job: 'second' } });

    expect({ removed, kept }).toEqual({ removed: ['tree/old/d', 'tree/old'], kept: [] });
  });

  test('keeps what is in a folder that a person protected against writing', async () => {
    await send();
    await chmod(there('old'), 0o555);
    await utimes(there('old'), 1_000, 1_000);
    await rm(here('old'), { recursive: true });

    const { removed, kept } = await send({ send: { job: 'second' } });

    expect({ removed, kept }).toEqual({ removed: [], kept: [here('old', 'd'), here('old')] });
    const { mode, mtimeMs } = await lstat(there('old'));
    expect([mode & 0o777, Math.floor(mtimeMs)]).toEqual([0o555, 1_000_000]);
    await chmod(there('old'), 0o755);
  });

  test('tells once more of what it removed before the connection was lost', async () => {
    await send();
    await rm(here('a'));
    const cut = await send({
      send: {
        job: 'second',
        keepRemoved: () => {
          throw new Error('lost');
        },
      },
    }).catch(() => undefined);
    expect(cut).toBeUndefined();
    expect(await filesBelow(there())).not.toContain('a');

    expect(await send({ send: { job: 'second' } })).toMatchObject({ removed: ['tree/a'] });
    expect(await send({ send: { job: 'second', removedBefore: new Set(['tree/a']) } })).toMatchObject({
      removed: [],
    });
    expect(await send({ send: { job: 'third' } })).toMatchObject({ removed: [] });
  });

  test('tells once more of what it removed before it was stopped within a batch', async () => {
    for (let n = 10; n < 60; n++) await put(`old/${n}`, 'x');
    await send();
    await rm(here('old'), { recursive: true });
    const stop = new AbortController();
    const stopping: typeof deliveries = {
      ...deliveries,
      find: (path) => {
        if (path.endsWith('old/20')) stop.abort();
        return deliveries.find(path);
      },
    };
    await send({ send: { job: 'second' }, receive: { deliveries: stopping, signal: stop.signal } });
    expect((await readdir(there('old'))).length).toBeLessThan(51);

    const { removed } = await send({ send: { job: 'second' } });

    expect(removed).toHaveLength(52);
    await expect(lstat(there('old'))).rejects.toThrow('ENOENT');
  });

  test('notes what it is about to remove before it is gone, and tells of it after a kill between the two', async () => {
    await send();
    await rm(here('a'));
    let noted: { readonly path: string; readonly isThere: boolean } | undefined;
    const killed: typeof deliveries = {
      ...deliveries,
      note: async (path, delivered) => {
        // The note of the end of it never comes to the disk.
        if (delivered.removing === undefined && noted !== undefined) return;
        if (delivered.removing !== undefined)
          noted = { path, isThere: (await readdir(there())).includes('a') };
        await deliveries.note(path, delivered);
      },
    };
    await send({ send: { job: 'second' }, receive: { deliveries: killed } });
    expect(noted).toEqual({ path: 'alice/tree/a', isThere: true });
    expect(deliveries.find('alice/tree/a')).toMatchObject({ removing: 1 });

    const { removed, batches } = await send({ send: { job: 'second' } });

    expect(removed).toEqual(['tree/a']);
    expect(batches[0]?.files).toMatchObject([{ name: 'tree/a', kind: 'file', size: 1 }]);
    expect((await send({ send: { job: 'third' } })).removed).toEqual([]);
  });

  test('what was about to be removed when it was killed, and is there, is removed by the next try', async () => {
    await send();
    await rm(here('a'));
    const delivered = deliveries.find('alice/tree/a');
    if (delivered === undefined) throw new Error('a was delivered');
    await deliveries.note('alice/tree/a', { ...delivered, job: 'second', removing: 1 });

    expect((await send({ send: { job: 'third' } })).removed).toEqual(['tree/a']);
    expect(await filesBelow(there())).not.toContain('a');
  });

  test('does not take a file whose name changed its case for the one that came', async () => {
    await send();
    await rename(here('a'), here('A'));

    expect((await send({ send: { job: 'second' } })).removed).toEqual(['tree/a']);
    expect(await filesBelow(there())).toContain('A');
  });

  test('several folders of one name: only what is in none of them is gone', async () => {
    const second = join(ends.home, 'second', 'tree');
    await mkdir(second, { recursive: true });
    for (const name of ['e', 'f']) await writeFile(join(second, name), name);
    const files = [here(), second].map((file) => ({ file, name: 'tree' }));
    await send({ send: { files } });
    await rm(join(second, 'e'));
    await rm(here('a'));

    const { removed } = await send({ send: { files, job: 'second' } });

    expect(removed).toEqual(['tree/e', 'tree/a']);
    expect(await filesBelow(there())).toContain('f');
  });
});

describe('a receiver', () => {
  test.each<[string, ReceiveOptions['policy']]>([
    ['that allows it to no one', {}],
    ['that forbids it', { mirror: 'bob lets no sender remove files' }],
  ])('%s refuses before anything is sent', async (_, policy) => {
    const { sent } = await send({ receive: { policy } });
    expect(sent).toMatchObject({ ok: false, filesDelivered: 0, bytesSent: 0, error: { code: 'refused' } });
    await expect(lstat(ends.inbox)).rejects.toThrow('ENOENT');
  });

  /** A sender that says what it likes once its tree has arrived. */
  async function hostile(
    say: (sender: Messenger, ask: (id: string) => Promise<unknown>) => Promise<void>,
    files: SendOptions['files'] = [{ file: here('a'), name: 'tree/a' }],
  ) {
    const { dialler, accepter } = await connected();
    const received = receiveFiles(accepter, receiveOptions(ends, { deliveries, policy: { mirror: true } }));
    let done = false;
    const answers = new Map<string, PromiseWithResolvers<unknown>>();
    const channel = {
      who: 'bob',
      send: async (header: Record<string, string>, content?: Uint8Array) => {
        if (header['type'] === 'done' && !done) {
          done = true;
          await say(dialler, async (id) => {
            const answer = Promise.withResolvers<unknown>();
            answers.set(id, answer);
            return await answer.promise;
          });
        }
        await dialler.send(header, content);
      },
      reject: (error: never) => dialler.reject(error),
      closed: dialler.closed,
      async *[Symbol.asyncIterator]() {
        for await (const message of dialler) {
          const answer = answers.get(message.header['re'] ?? '');
          if (answer === undefined) yield message;
          else
            answer.resolve({ ...message.header, content: JSON.parse(message.content.toString() || 'null') });
        }
      },
    };
    await sendFiles(channel, {
      ...sendOptions(ends, ['tree']),
      job: 'hostile',
      onConflict: 'update',
      // The offer alone wants it; all else is said by hand.
      mirror: true,
      files,
    });
    await dialler.close();
    await received;
  }

  test('removes nothing that the sender did not deliver, that came now, or that is elsewhere', async () => {
    await send();
    await mkdir(join(ends.inbox, 'carol'), { recursive: true });
    await writeFile(join(ends.inbox, 'carol', 'hers'), 'hers');
    await writeFile(there('own'), 'own');
    deliveries.all.set('carol/hers', { content: 'blake3:00', mtimeNs: undefined, job: 'job' });
    const names = ['tree/own', 'tree/a', '../carol/hers', '/etc/hostname', 'tree/../../carol/hers', 'tree'];
    let told: unknown;

    await hostile(async (sender, ask) => {
      const answer = ask('x1');
      const { header, content } = formatRemove({ id: 'x1', names, dryRun: false });
      await sender.send(header, content);
      told = await answer;
    });

    expect(told).toMatchObject({
      type: 'removed',
      content: { removed: null, kept: names.map((name) => ({ name })) },
    });
    expect(await filesBelow(ends.inbox)).toEqual(
      [
        'alice/tree/a',
        'alice/tree/old/d',
        'alice/tree/own',
        'alice/tree/sub/b',
        'alice/tree/sub/deep/c',
        'carol/hers',
      ].toSorted(),
    );
  });

  test('removes nothing in a dry run within a transfer', async () => {
    let told: unknown;

    await hostile(
      async (sender, ask) => {
        await mkdir(there('late'));
        deliveries.all.set('alice/tree/late', { content: 'folder', mtimeNs: undefined, job: 'hostile' });
        const answer = ask('x1');
        const { header, content } = formatRemove({ id: 'x1', names: ['tree/late'], dryRun: true });
        await sender.send(header, content);
        told = await answer;
      },
      [{ file: here(), name: 'tree' }],
    );

    expect(told).toMatchObject({ content: { removed: null, kept: [] } });
    expect(await readdir(there())).toContain('late');
  });

  test('neither names nor removes what is outside of the folders that came now', async () => {
    await mkdir(join(ends.home, 'proj'));
    await writeFile(join(ends.home, 'proj', 'x'), 'x');
    await send({}, ['tree', 'proj']);
    const told: unknown[] = [];

    await hostile(
      async (sender, ask) => {
        for (const { header, content } of [
          formatExtras({ id: 'x1', top: 'tree', before: undefined }),
          formatRemove({ id: 'x2', names: ['tree/a', 'tree/old/d', 'proj/x'], dryRun: false }),
        ]) {
          const answer = ask(header['id'] ?? '');
          await sender.send(header, content);
          told.push(await answer);
        }
      },
      [{ file: join(ends.home, 'proj'), name: 'proj' }],
    );

    expect(told).toMatchObject([
      { type: 'extras-answer', content: [] },
      {
        content: {
          removed: null,
          kept: [
            { name: 'tree/a', message: expect.stringContaining('in no folder of this transfer') },
            { name: 'tree/old/d', code: 'refused' },
            { name: 'proj/x', code: 'refused' },
          ],
        },
      },
    ]);
    expect(await filesBelow(there())).toEqual(['a', 'old/d', 'sub/b', 'sub/deep/c']);
  });

  test('removes what is gone of a folder within others', async () => {
    const files = [{ file: here(), name: 'in/to/tree' }];
    await send({ send: { files } });
    await rm(here('old'), { recursive: true });

    const { removed } = await send({ send: { files, job: 'second' } });

    expect(removed).toEqual(['in/to/tree/old/d', 'in/to/tree/old']);
  });

  test('does not follow a link that took the place of a folder', async () => {
    await send();
    const outside = join(ends.home, 'outside');
    await rename(there('old'), outside);
    await symlink(outside, there('old'));
    await rm(here('old'), { recursive: true });

    const { removed } = await send({ send: { job: 'second' } });

    expect(removed).toEqual([]);
    expect(await readdir(outside)).toEqual(['d']);
  });

  test('answers nothing of it before all was announced, and for a top that leads out', async () => {
    const { dialler, accepter } = await connected();
    const received = receiveFiles(accepter, receiveOptions(ends, { deliveries, policy: { mirror: true } }));
    const { header, content } = formatExtras({ id: '1', top: 'tree', before: undefined });
    await dialler.send(
      { type: 'offer', id: '0', job: 'j', complete: '1', files: '0', bytes: '0', mirror: '1' },
      Buffer.from('{"names":[],"note":""}'),
    );
    await dialler.send(header, content);
    expect((await received).error?.code).toBe('unexpected-message');
  });
});

describe('a sender', () => {
  /** A receiver that answers by hand once the tree has been announced. */
  async function lying(
    answer: (header: Record<string, string>) => ReturnType<typeof formatRemoved> | undefined,
  ) {
    const { dialler, accepter } = await connected();
    const events: SendEvent[] = [];
    await mkdir(join(ends.home, 'empty'), { recursive: true });
    const sending = sendFiles(dialler, {
      ...sendOptions(ends, ['empty']),
      job: 'job',
      mirror: true,
      on: (event) => events.push(event),
    });
    for await (const { header } of accepter) {
      const re = header['id'] ?? '';
      const say = async ({ header: said, content }: ReturnType<typeof formatRemoved>): Promise<void> =>
        accepter.send(said, content);
      if (header['type'] === 'offer') await say(formatAnswer(re));
      else if (header['type'] === 'entries')
        await accepter.send(
          { type: 'entries-answer', re },
          Buffer.from('[{"answer":"made","path":"alice/empty"}]'),
        );
      else {
        const said = answer({ ...header, id: re });
        if (said === undefined) break;
        await say(said);
      }
    }
    await accepter.close();
    return { sent: await sending, events };
  }
  const extra = (name: string): Extra => ({ name, path: `alice/${name}`, kind: 'file', size: 1 });
  const page = (re: string, ...names: string[]) =>
    formatExtrasAnswer({ re, more: true, extras: names.map(extra) });

  test.each([
    ['names what is outside of the folder', ['other/x']],
    ['climbs', ['empty/../x']],
    ['goes up again', ['empty/a', 'empty/b']],
  ])('ends a transfer whose receiver %s', async (_, names) => {
    const { sent } = await lying(({ id = '', type }) => (type === 'extras' ? page(id, ...names) : undefined));
    expect(sent.error?.code).toBe('message-malformed');
  });

  test('does not believe a receiver that signs for another name, or as somebody else', async () => {
    const claims = { network: ends.network, job: 'job', sender: ends.sender.id, time: 1 };
    const files = [{ ...extra('empty/x') }];
    const { sent, events } = await lying(({ id = '', type }) => {
      if (type === 'extras') return page(id, 'empty/x');
      if (type !== 'remove') return undefined;
      const forged = { ...claims, receiver: ends.receiver.id, files };
      const publicKey = createKeyPair().publicKey.toString('base64url');
      return formatRemoved({
        re: id,
        removed: { ...forged, publicKey, signature: 'A'.repeat(86) },
        kept: [],
      });
    });
    expect(sent.error?.code).toBe('verification-failed');
    expect(events.filter(({ type }) => type === 'removed')).toEqual([]);
  });
});

test('a dry run tells what would be removed and what would stay, and removes nothing', async () => {
  await send();
  await writeFile(there('old', 'added'), 'mine');
  for (const path of ['old', 'sub']) await rm(here(path), { recursive: true });
  const before = await filesBelow(ends.inbox);
  const { dialler, accepter } = await connected();
  const telling = tellExtras(accepter, {
    inbox: ends.inbox,
    folder: 'alice',
    deliveries,
    policy: { mirror: true },
  });
  const [gone, kept]: [string[], string[]] = [[], []];

  await previewMirror(dialler, new Map([['tree', [{ file: here(), name: 'tree' }]]]), {
    ignored: undefined,
    onRemoved: ({ path }) => gone.push(path),
    onKept: (_, file) => kept.push(file),
  });
  await dialler.close();
  await telling;

  expect(gone).toEqual(
    ['sub/deep/c', 'sub/deep', 'sub/b', 'sub', 'old/d'].map((path) => `alice/tree/${path}`),
  );
  expect(kept).toEqual([here('old')]);
  expect(await filesBelow(ends.inbox)).toEqual(before);
});

test('a dry run cannot be made to remove anything, and is refused where removing is', async () => {
  await send();
  for (const [policy, code] of [
    [{ mirror: true }, 'unexpected-message'],
    [{ mirror: 'no' }, 'refused'],
  ] as const) {
    const { dialler, accepter } = await connected();
    const telling = tellExtras(accepter, { inbox: ends.inbox, folder: 'alice', deliveries, policy });
    const { header, content } = formatRemove({ id: '1', names: ['tree/a'], dryRun: false });
    await dialler.send(header, content);
    expect((await dialler.peek())?.header).toMatchObject({ type: 'error', code });
    await dialler.close();
    await telling;
  }
  expect(await filesBelow(there())).toContain('a');
});
