import {
  chmod,
  lstat,
  lutimes,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createKeyPair, type OnConflict } from '@filer/protocol';
import { cleanParts, PART_PREFIX, type ReceiveOptions, type SendOptions } from '@filer/transfer';
import { digestsOf, withReceiver } from './by-hand.ts';
import { deliveredBefore } from './delivered-before.ts';
import { codesOf, transfer, twoEnds, type TwoEnds } from './two-ends.ts';

/** A sender that sends `tree` again and again, to a receiver that remembers what it delivered. */
class Again {
  readonly ends: TwoEnds;
  readonly deliveries = deliveredBefore();
  readonly tree: string;
  readonly there: string;

  constructor(ends: TwoEnds) {
    this.ends = ends;
    this.tree = join(ends.home, 'tree');
    this.there = join(ends.inbox, 'alice', 'tree');
  }

  static async with(files: Record<string, string> = {}): Promise<Again> {
    const again = new Again(await twoEnds());
    await mkdir(again.tree);
    for (const [name, content] of Object.entries(files)) await writeFile(join(again.tree, name), content);
    return again;
  }

  async send(
    onConflict: OnConflict = 'update',
    { send, receive }: { send?: Partial<SendOptions>; receive?: Partial<ReceiveOptions> } = {},
  ) {
    const { sent } = await transfer(this.ends, ['tree'], {
      send: { onConflict, ...send },
      receive: { deliveries: this.deliveries, ...receive },
    });
    return sent;
  }

  /** What is in a folder of the receiver: files as their content, links as `-> target`, folders with a slash. */
  async found(folder = this.there): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const item of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, item.name);
      if (item.isSymbolicLink()) found[item.name] = `-> ${await readlink(path)}`;
      else if (item.isDirectory())
        for (const [name, content] of Object.entries(await this.found(path)))
          found[`${item.name}/${name}`] = content;
      else found[item.name] = await readFile(path, 'utf8');
    }
    return found;
  }
}

describe('update', () => {
  test('replaces what this sender delivered, of another size or of the same, and leaves no second name', async () => {
    const again = await Again.with({ longer: 'v1', same: 'v1', stays: 'v1', empty: '' });
    await again.send();
    await writeFile(join(again.tree, 'longer'), 'version 2');
    await writeFile(join(again.tree, 'same'), 'v2');
    await writeFile(join(again.tree, 'empty'), 'content');

    const sent = await again.send();

    expect(sent).toMatchObject({ ok: true, filesDelivered: 3, filesSkipped: 1 });
    expect(await again.found()).toEqual({ longer: 'version 2', same: 'v2', stays: 'v1', empty: 'content' });
  });

  test('replaces again and again, and what was skipped in between is still the sender’s', async () => {
    const again = await Again.with({ f: 'v1' });
    for (const content of ['v1', 'v1', 'v2', 'v2', 'v3']) {
      await writeFile(join(again.tree, 'f'), content);
      await again.send();
    }
    expect(await again.found()).toEqual({ f: 'v3' });
  });

  test('follows a time that only the sender changed', async () => {
    const again = await Again.with({ f: 'v1' });
    await again.send();
    await utimes(join(again.tree, 'f'), 1_000, 1_000);
    expect(await again.send()).toMatchObject({ filesSkipped: 1 });
    await writeFile(join(again.tree, 'f'), 'version 2');

    await again.send();

    expect(await again.found()).toEqual({ f: 'version 2' });
  });

  test.each<[string, (file: string) => Promise<void>, string]>([
    ['edited', (file) => writeFile(file, 'mine'), 'mine'],
    ['touched', (file) => utimes(file, 5_000, 5_000.5), 'v1'],
    [
      'moved away, and another put there',
      async (file) => {
        await rename(file, join(file, '../../elsewhere'));
        await writeFile(file, 'mine');
      },
      'mine',
    ],
    [
      'replaced by an equal one',
      async (file) => {
        await rm(file);
        await writeFile(file, 'v1');
      },
      'v1',
    ],
  ])('leaves what was %s at the receiver: the new one is renamed', async (_, change, stays) => {
    const again = await Again.with({ f: 'v1' });
    await again.send();
    await change(join(again.there, 'f'));
    await writeFile(join(again.tree, 'f'), 'version 2');

    const sent = await again.send();

    expect(sent.files).toMatchObject([{ status: 'delivered', path: 'alice/tree/f (1)' }]);
    expect(await again.found()).toEqual({ f: stays, 'f (1)': 'version 2' });
  });

  test('takes a time that came back from an archive with whole seconds for the one that was delivered', async () => {
    const again = await Again.with({ f: 'v1' });
    await utimes(join(again.tree, 'f'), 1_000, 1_000.25);
    await again.send();
    await utimes(join(again.there, 'f'), 1_000, 1_000);
    await writeFile(join(again.tree, 'f'), 'version 2');

    await again.send();

    expect(await again.found()).toEqual({ f: 'version 2' });
  });

  test('leaves what another machine delivered, though it has the same name', async () => {
    const again = await Again.with({ f: 'v1' });
    await again.send();
    const other: TwoEnds = { ...again.ends, sender: createKeyPair() };
    await writeFile(join(again.tree, 'f'), 'of another');

    await transfer(other, ['tree'], {
      send: { onConflict: 'update' },
      receive: { deliveries: deliveredBefore() },
    });

    expect(await again.found()).toEqual({ f: 'v1', 'f (1)': 'of another' });
  });

  test('takes no file that lay there for its own, though it was the same', async () => {
    const again = await Again.with({ f: 'v1' });
    await mkdir(again.there, { recursive: true });
    await writeFile(join(again.there, 'f'), 'v1');
    expect(await again.send()).toMatchObject({ filesSkipped: 1 });
    await writeFile(join(again.tree, 'f'), 'version 2');

    await again.send();

    expect(await again.found()).toEqual({ f: 'v1', 'f (1)': 'version 2' });
  });

  test('leaves a file whose delivery was remembered without its time only when its content changed', async () => {
    const again = await Again.with({ f: 'v1', g: 'v1' });
    await again.send();
    for (const [path, each] of again.deliveries.all)
      again.deliveries.all.set(path, { ...each, mtimeNs: undefined });
    await utimes(join(again.there, 'f'), 5_000, 5_000);
    await writeFile(join(again.there, 'g'), 'mine');
    for (const name of ['f', 'g']) await writeFile(join(again.tree, name), 'version 2');

    await again.send();

    expect(await again.found()).toEqual({ f: 'version 2', g: 'mine', 'g (1)': 'version 2' });
  });
});

test.each([
  ['is the sender’s when it came since its job began', -1_000, { f: 'version 3' }],
  ['is not when it was there before', 60_000, { f: 'version 2', 'f (1)': 'version 3' }],
])('what is in place as the sender has it, and was not noted, %s', async (_, sinceMs, found) => {
  const again = await Again.with({ f: 'v1' });
  await again.send();
  await writeFile(join(again.tree, 'f'), 'version 2');
  const { deliveries } = again;
  const before = new Map(deliveries.all);
  const beganAt = Date.now() + sinceMs;
  const options = { send: { job: 'one' }, receive: { beganAt: () => beganAt } };
  await again.send('update', options);
  for (const [path, each] of before) deliveries.all.set(path, each); // the receiver was killed
  expect(await again.send('update', options)).toMatchObject({ filesSkipped: 1 });
  await writeFile(join(again.tree, 'f'), 'version 3');

  await again.send();

  expect(await again.found()).toEqual(found);
});

describe('an identical name (n)', () => {
  /** `f` is stale at the receiver, and `f (1)` is what the sender has. */
  async function stale(): Promise<Again> {
    const again = await Again.with({ f: 'v1' });
    await again.send();
    await writeFile(join(again.tree, 'f'), 'version 2');
    await again.send('rename');
    expect(await again.found()).toEqual({ f: 'v1', 'f (1)': 'version 2' });
    await utimes(join(again.tree, 'f'), 4_000_000_000, 4_000_000_000);
    return again;
  }

  test.each<OnConflict>(['update', 'overwrite', 'newer'])('never satisfies %s', async (onConflict) => {
    for (const checksum of [false, true]) {
      const again = await stale();
      const sent = await again.send(onConflict, { send: { checksum } });
      expect(sent.files).toMatchObject([{ status: 'delivered', path: 'alice/tree/f' }]);
      expect(await again.found()).toMatchObject({ f: 'version 2' });
    }
  });

  test.each<OnConflict>(['update', 'overwrite', 'newer'])(
    'never satisfies %s where the file itself is not the sender’s',
    async (onConflict) => {
      const again = await stale();
      await writeFile(join(again.there, 'f'), 'mine');
      const sent = await again.send(onConflict);
      expect(sent.files).toMatchObject([{ status: 'delivered', path: 'alice/tree/f (2)' }]);
    },
  );

  test('that this sender delivered satisfies rename, one that another put there does not', async () => {
    const again = await stale();
    expect((await again.send('rename')).files).toMatchObject([
      { status: 'skipped', path: 'alice/tree/f (1)' },
    ]);
    const stranger = { receive: { deliveries: deliveredBefore() } };
    expect((await again.send('rename', stranger)).files).toMatchObject([
      { status: 'delivered', path: 'alice/tree/f (2)' },
    ]);
  });

  test('that came of the same job, over a connection that was lost, does not come twice', async () => {
    const again = await Again.with({ f: 'v1' });
    await again.send();
    await writeFile(join(again.there, 'f'), 'mine');
    await writeFile(join(again.tree, 'f'), 'version 2');
    const send = { job: 'one' };
    await again.send('update', { send });

    const sent = await again.send('update', { send });

    expect(sent.files).toMatchObject([{ status: 'skipped', path: 'alice/tree/f (1)' }]);
    expect(await again.found()).toEqual({ f: 'mine', 'f (1)': 'version 2' });
  });
});

describe('a link', () => {
  async function withLink(): Promise<Again> {
    const again = await Again.with();
    for (const run of ['run1', 'run2']) {
      await mkdir(join(again.tree, run));
      await writeFile(join(again.tree, run, 'f'), run);
    }
    await symlink('run1', join(again.tree, 'latest'));
    await again.send();
    return again;
  }
  const repoint = async (folder: string, to: string): Promise<void> => {
    await rm(join(folder, 'latest'));
    await symlink(to, join(folder, 'latest'));
  };

  test.each<OnConflict>(['update', 'overwrite', 'newer'])(
    'that was re-pointed replaces the one that this sender delivered: %s',
    async (onConflict) => {
      const again = await withLink();
      for (const to of ['run2', 'run1', 'run2']) {
        await repoint(again.tree, to);
        await lutimes(join(again.tree, 'latest'), 4_000_000_000, 4_000_000_000);
        if (onConflict === 'newer') await lutimes(join(again.there, 'latest'), 1_000, 1_000);
        const sent = await again.send(onConflict);
        expect(sent).toMatchObject({ ok: true, filesDelivered: 1 });
        expect(await again.found()).toEqual({ latest: `-> ${to}`, 'run1/f': 'run1', 'run2/f': 'run2' });
      }
      expect(
        (await readdir(again.ends.inbox, { recursive: true })).filter((name) => name.includes(PART_PREFIX)),
      ).toEqual([]);
    },
  );

  test.each<[string, (there: string) => Promise<void>]>([
    ['re-pointed', (there) => repoint(there, 'run2/f')],
    ['made again', (there) => repoint(there, 'run1')],
  ])('that was %s at the receiver stays, and the new one is renamed', async (_, change) => {
    const again = await withLink();
    await change(again.there);
    const before = await readlink(join(again.there, 'latest'));
    await repoint(again.tree, 'run2');

    const sent = await again.send();

    expect(sent.files.find(({ name }) => name === 'tree/latest')).toMatchObject({
      path: 'alice/tree/latest (1)',
    });
    expect(await again.found()).toMatchObject({ latest: `-> ${before}`, 'latest (1)': '-> run2' });
  });

  test('that a policy keeps is told as kept, not as the same', async () => {
    const again = await withLink();
    await repoint(again.tree, 'run2');
    for (const onConflict of ['skip', 'newer'] as const) {
      await lutimes(join(again.tree, 'latest'), 1_000, 1_000);
      const sent = await again.send(onConflict);
      expect(sent.files.find(({ name }) => name === 'tree/latest')).toMatchObject({
        status: 'skipped',
        kept: true,
        path: 'alice/tree/latest',
      });
      expect(await again.found()).toMatchObject({ latest: '-> run1' });
    }
  });

  test('is renamed under rename, once', async () => {
    const again = await withLink();
    await repoint(again.tree, 'run2');
    await again.send('rename');
    await again.send('rename');
    expect(await again.found()).toMatchObject({ latest: '-> run1', 'latest (1)': '-> run2' });
    expect(await readdir(again.there)).toHaveLength(4);
  });
});

describe('what became another kind of thing', () => {
  type Kind = 'file' | 'link' | 'folder';
  const make: Record<Kind, (path: string) => Promise<unknown>> = {
    file: (path) => writeFile(path, 'content'),
    link: (path) => symlink('other', path),
    folder: async (path) => {
      await mkdir(join(path, 'in', 'deep'), { recursive: true });
      for (const name of ['a', 'in/b', 'in/deep/c']) await writeFile(join(path, name), name);
      await symlink('a', join(path, 'l'));
      await chmod(join(path, 'in'), 0o555);
    },
  };
  const seen: Record<Kind, Record<string, string>> = {
    file: { x: 'content' },
    link: { x: '-> other' },
    folder: { 'x/a': 'x/a', 'x/in/b': 'x/in/b', 'x/in/deep/c': 'x/in/deep/c', 'x/l': '-> a' },
  };
  seen.folder = Object.fromEntries(
    Object.entries(seen.folder).map(([path, content]) => [path, content.replace('x/', '')]),
  );
  const swaps: [Kind, Kind][] = [
    ['file', 'link'],
    ['link', 'file'],
    ['file', 'folder'],
    ['link', 'folder'],
    ['folder', 'file'],
    ['folder', 'link'],
  ];

  async function became(
    from: Kind,
    to: Kind,
    between: (x: string) => Promise<unknown> = async () => undefined,
  ) {
    const again = await Again.with({ other: 'o' });
    const x = join(again.tree, 'x');
    await make[from](x);
    expect(await again.send()).toMatchObject({ ok: true });
    if (from === 'folder') await chmod(join(x, 'in'), 0o755);
    await rm(x, { recursive: true });
    await make[to](x);
    await between(join(again.there, 'x'));
    const sent = await again.send();
    if (to === 'folder') await chmod(join(x, 'in'), 0o755); // so that it can be removed after the test
    return { again, sent };
  }

  test.each(swaps)('a %s that became a %s is replaced', async (from, to) => {
    const { again, sent } = await became(from, to);
    expect(sent).toMatchObject({ ok: true });
    expect(await again.found()).toEqual({ other: 'o', ...seen[to] });
    expect(await readdir(again.ends.inbox)).toEqual(['alice']);
    expect(await readdir(join(again.ends.inbox, 'alice'))).toEqual(['tree']);
  });

  test.each<Kind>(['file', 'link'])(
    'but a folder in which somebody else has something stays, and the %s is renamed',
    async (to) => {
      for (const mine of ['mine', 'in/mine']) {
        const { again, sent } = await became('folder', to, async (x) => {
          await chmod(join(x, 'in'), 0o755);
          await writeFile(join(x, mine), 'mine');
        });
        expect(sent).toMatchObject({ ok: true });
        const { [`x (1)`]: renamed, ...rest } = await again.found();
        expect(renamed).toBe(seen[to]['x']);
        expect(rest).toEqual({ other: 'o', ...seen.folder, [`x/${mine}`]: 'mine' });
      }
    },
  );

  test.each<[string, (x: string) => Promise<unknown>]>([
    ['edited', (x) => writeFile(join(x, 'a'), 'edited')],
    ['touched', (x) => utimes(join(x, 'a'), 5_000, 5_000)],
    ['an empty folder', (x) => mkdir(join(x, 'empty'))],
    ['a link elsewhere', (x) => symlink('/etc', join(x, 'etc'))],
  ])('nor does one go that holds something %s', async (_, change) => {
    const { again, sent } = await became('folder', 'file', change);
    expect(sent).toMatchObject({ ok: true });
    expect(await again.found()).toMatchObject({ 'x (1)': 'content', 'x/in/b': 'in/b' });
  });

  test.each<Kind>(['file', 'link'])(
    'a %s that the receiver changed does not give way to a folder: what goes into it is refused',
    async (from) => {
      const { again, sent } = await became(from, 'folder', async (x) => {
        await rm(x);
        await writeFile(x, 'mine');
      });
      expect(codesOf(sent)).toMatchObject({ 'tree/x': 'refused', 'tree/x/a': 'refused' });
      expect(await again.found()).toEqual({ other: 'o', x: 'mine' });
    },
  );

  test.each<OnConflict>(['rename', 'skip'])('%s replaces none', async (onConflict) => {
    const again = await Again.with();
    await make.folder(join(again.tree, 'x'));
    await again.send();
    await chmod(join(again.tree, 'x', 'in'), 0o755);
    await rm(join(again.tree, 'x'), { recursive: true });
    await make.file(join(again.tree, 'x'));

    await again.send(onConflict);

    expect((await lstat(join(again.there, 'x'))).isDirectory()).toBe(true);
  });
});

test('what a receiver that was killed had hidden is removed, a link and a folder too', async () => {
  const { inbox } = await twoEnds();
  await mkdir(join(inbox, 'alice', `${PART_PREFIX}aside-${'0'.repeat(24)}-1`, 'in'), { recursive: true });
  await writeFile(join(inbox, 'alice', `${PART_PREFIX}aside-${'0'.repeat(24)}-1`, 'in', 'f'), 'old');
  await chmod(join(inbox, 'alice', `${PART_PREFIX}aside-${'0'.repeat(24)}-1`, 'in'), 0o500);
  await symlink('f', join(inbox, 'alice', `${PART_PREFIX}aside-${'0'.repeat(24)}-2`));
  await writeFile(join(inbox, 'alice', 'f'), 'stays');

  await cleanParts(inbox, { olderThanMs: 0 });

  expect(await readdir(join(inbox, 'alice'))).toEqual(['f']);
});

describe('two things of one name in one transfer', () => {
  async function sendBoth(names: readonly string[], again: Again) {
    const files = names.map((name) => ({ file: join(again.ends.home, name) }));
    const { sent } = await transfer(again.ends, [], {
      send: { onConflict: 'update', files },
      receive: { deliveries: again.deliveries },
    });
    return sent;
  }

  test.each([
    ['small', 10],
    ['large', 3_000_000],
  ])('%s files are both kept, the first time and each time after it', async (_, bytes) => {
    const again = await Again.with();
    const contents = ['a', 'b'].map((letter) => letter.repeat(bytes));
    const names = ['a/f', 'b/f'];
    for (const [n, name] of names.entries()) {
      await mkdir(join(again.ends.home, name, '..'));
      await writeFile(join(again.ends.home, name), contents[n] ?? '');
    }
    for (let times = 0; times < 3; times++) {
      expect(await sendBoth(names, again)).toMatchObject({ ok: true });
      const found = Object.values(await again.found(join(again.ends.inbox, 'alice')));
      expect(contents.every((content) => found.includes(content))).toBe(true);
    }
  });

  test('a file that is there and is compared is not replaced by the other one meanwhile', async () => {
    const again = await Again.with();
    const [there, comes] = [Buffer.from('there'), Buffer.from('comes')];
    await writeFile(join(again.ends.home, 'f'), there);
    const receive = { deliveries: again.deliveries };
    await transfer(again.ends, ['f'], { send: { onConflict: 'update' }, receive });
    const { hand, outcome } = await withReceiver(again.ends, receive);
    const totals = { complete: '1', files: '2', bytes: '10', onConflict: 'update' };
    await hand.say({ type: 'offer', id: 'o', job: 'job', ...totals }, { names: ['f'], note: '' });
    await hand.hear('answer');
    const entry = { path: 'f', kind: 'file', size: 5, mtimeNs: '0', mode: 0o644 };
    await hand.say({ type: 'entries', id: 'e', first: '0', last: '1' }, [entry, entry]);
    await hand.hear('entries-answer');

    await hand.file(0, 5);
    await hand.chunk(0, 0, comes);
    await hand.end(0, comes);
    await hand.hear('receipts');
    await hand.say({ type: 'skip', entry: '1', digest: digestsOf(there).digest });
    await hand.hear('receipts');
    hand.messenger.destroy();
    await outcome;

    const found = await again.found(join(again.ends.inbox, 'alice'));
    expect(found).toEqual({ f: 'there', 'f (1)': 'comes' });
  });

  test('links and folders are not replaced by each other', async () => {
    const again = await Again.with();
    for (const name of ['a', 'b', 'c']) await mkdir(join(again.ends.home, name));
    await mkdir(join(again.ends.home, 'a/t'));
    await symlink('one', join(again.ends.home, 'a/t/x'));
    await mkdir(join(again.ends.home, 'b/t'));
    await symlink('two', join(again.ends.home, 'b/t/x'));
    await mkdir(join(again.ends.home, 'c/t/x'), { recursive: true });
    for (let times = 0; times < 2; times++) await sendBoth(['a/t', 'b/t'], again);
    const found = Object.values(await again.found(join(again.ends.inbox, 'alice', 't')));
    expect(found).toEqual(expect.arrayContaining(['-> one', '-> two']));
    await sendBoth(['a/t', 'c/t'], again);
    expect(Object.values(await again.found(join(again.ends.inbox, 'alice', 't')))).toContain('-> one');
  });
});
