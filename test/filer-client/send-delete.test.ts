import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { EvilPeer } from '../support/evil-peer.ts';
import { askHere, until } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import type { Line } from '../support/programs.ts';
import { filesBelow, listOf } from '../support/test-network.ts';

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;
let carol: ClientHere;
beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob, carol] = [await network.add('anna'), await network.add('bob'), await network.add('carol')];
  for (const name of ['bob', 'carol']) await anna.sees(name);
  for (const client of [bob, carol]) await client.sees('anna');
});
afterAll(() => network[Symbol.asyncDispose]());

let tree: string;
let trees = 0;
/** Each test has a tree of its own, which bob and carol have. */
beforeEach(async () => {
  tree = join(network.folder, 'trees', `tree-${++trees}`);
  for (const path of ['a', 'old/b']) await put(path);
  await anna.ask('send', tree, '--to', 'bob,carol');
});

async function put(path: string): Promise<void> {
  await mkdir(dirname(join(tree, path)), { recursive: true });
  await writeFile(join(tree, path), path);
}

async function send(...args: string[]): Promise<Line[]> {
  return await askHere('filer-client', anna.home, ['send', tree, '--delete', ...args]);
}

function at(client: ClientHere): string {
  return join(client.home, 'inbox', 'anna', `tree-${trees}`);
}

/** Restarts a client with a line in its configuration. */
async function configured(client: ClientHere, line: string): Promise<ClientHere> {
  const config = join(client.home, 'config.toml');
  const before = await readFile(config, 'utf8');
  await client[Symbol.asyncDispose]();
  await writeFile(config, `${line}\n${before}`);
  const started = await (await network.start(client.home)).connected();
  await writeFile(config, before);
  await anna.sees(client === bob ? 'bob' : 'carol');
  return started;
}

test('--delete removes at every recipient what is gone here; the history, verify and inbox show it', async () => {
  await rm(join(tree, 'old'), { recursive: true });
  await writeFile(join(at(carol), 'old', 'b'), 'hers');

  const lines = await send('--to', 'bob,carol');

  const done = lines.at(-1);
  expect(done).toMatchObject({ ok: true, exitCode: 0, filesRemoved: 1, filesSkipped: 2 });
  const of = (type: string): Line[] => lines.filter((line) => line['type'] === type);
  expect(of('removed')).toMatchObject([
    {
      recipient: 'bob',
      path: join(tree, 'old/b'),
      receivedAs: `anna/tree-${trees}/old/b`,
      kind: 'file',
      size: 5,
    },
    { recipient: 'bob', path: join(tree, 'old'), kind: 'dir' },
  ]);
  expect(of('not-removed').map(({ recipient, path }) => [recipient, path])).toEqual([
    ['carol', join(tree, 'old/b')],
    ['carol', join(tree, 'old')],
  ]);
  expect(await filesBelow(at(bob))).toEqual(['a']);
  expect(await filesBelow(at(carol))).toEqual(['a', 'old/b']);

  const job = String(done?.['job']);
  const history = await askHere('filer-client', anna.home, ['history', job]);
  expect(history[0]).toMatchObject({ mirror: true, recipients: [{ filesRemoved: 1 }, { filesRemoved: 0 }] });
  expect(history.filter(({ type }) => type === 'removed')).toMatchObject([
    { recipient: 'bob', receivedAs: `anna/tree-${trees}/old/b`, signatureOk: true },
    { recipient: 'bob', receivedAs: `anna/tree-${trees}/old`, kind: 'dir', signatureOk: true },
  ]);
  expect((await anna.run('history', job)).stdout).toMatch(/bob has removed .*old\/b, signed/);
  expect((await anna.run('verify', job)).code).toBe(0);
  const items = listOf(await bob.ask('inbox'), 'items').filter(({ path }) => path === join(at(bob), 'old/b'));
  expect(items).toMatchObject([{ state: 'removed' }]);
  expect((await bob.run('inbox')).stdout).not.toContain(`tree-${trees}/old/b`);
});

test('--dry-run names each thing that would be removed, and removes and sends nothing', async () => {
  await rm(join(tree, 'old'), { recursive: true });
  await put('new');

  const lines = await send('--to', 'bob,carol', '--dry-run');

  expect(lines.at(-1)).toMatchObject({ exitCode: 0, dryRun: true, filesRemoved: 2 });
  const gone = lines.filter(({ type }) => type === 'would-remove');
  expect(gone.map(({ recipient, path }) => `${String(recipient)} ${String(path)}`).toSorted()).toEqual(
    ['bob', 'carol'].flatMap((name) => ['old', 'old/b'].map((path) => `${name} ${join(tree, path)}`)),
  );
  const { stdout, stderr } = await anna.run('send', tree, '--delete', '--dry-run', '--to', 'bob');
  expect(stdout).toMatch(/bob would remove .*old\/b/);
  expect(stderr).toMatch(/1 file would be removed/);
  for (const client of [bob, carol]) expect(await filesBelow(at(client))).toEqual(['a', 'old/b']);
});

test('a name below a folder of the receiver, and what --exclude names, count as well', async () => {
  await put('keep.log');
  await put('gone.txt');
  await anna.ask('send', tree, '--to', 'bob', '--into', 'deep/er');
  for (const name of ['keep.log', 'gone.txt']) await rm(join(tree, name));

  const lines = await send('--to', 'bob', '--into', 'deep/er', '--exclude', '*.log');

  expect(lines.filter(({ type }) => type === 'removed').map(({ path }) => path)).toEqual([
    join(tree, 'gone.txt'),
  ]);
  const there = join(bob.home, 'inbox', 'anna', 'deep', 'er', `tree-${trees}`);
  expect(await filesBelow(there)).toEqual(['a', 'keep.log', 'old/b']);
  expect(await filesBelow(at(bob))).toEqual(['a', 'old/b']);
});

test('a queued mirror waits for its recipient, and a retry repeats one that failed', async () => {
  await rm(join(tree, 'old'), { recursive: true });
  await carol[Symbol.asyncDispose]();
  const job = String((await send('--to', 'carol', '--queue')).at(-1)?.['job']);
  const failed = String(
    (await anna.run('send', tree, '--delete', '--to', 'carol', '--timeout', '1s', '--json')).stdout.match(
      /"job":"([^"]+)"/,
    )?.[1],
  );
  carol = await (await network.start(carol.home)).connected();
  await until(
    async () => listOf(await anna.ask('history'), 'jobs').find((each) => each['job'] === job)?.['state'],
    (state) => state === 'done',
  );
  expect(await filesBelow(at(carol))).toEqual(['a']);

  // The job has a second for its recipient, and a busy machine may need more.
  const retried = await until(
    () => anna.run('retry', failed),
    ({ code }) => code === 0,
  );
  expect(retried.code).toBe(0);
});

test('a receiver that forbids it refuses in one sentence, for that recipient alone, in a dry run too', async () => {
  bob = await configured(bob, 'allow-mirror = false');
  await rm(join(tree, 'old'), { recursive: true });

  const alone = await anna.run('send', tree, '--delete', '--to', 'bob');
  expect(alone.code).toBe(6);
  expect(alone.stderr).toMatch(/bob lets no sender remove files.*without --delete/);
  expect((await anna.run('send', tree, '--delete', '--to', 'bob,carol')).code).toBe(8);
  expect((await anna.run('send', tree, '--delete', '--to', 'bob', '--dry-run')).code).toBe(6);
  expect(await filesBelow(at(bob))).toEqual(['a', 'old/b']);
  expect(await filesBelow(at(carol))).toEqual(['a']);
  expect((await anna.run('send', tree, '--to', 'bob')).code).toBe(0);
  bob = await configured(bob, '');
});

test('where a person is asked, the offer says that files are removed, and only that offer may', async () => {
  bob = await configured(bob, 'accept = "ask"');
  await rm(join(tree, 'old'), { recursive: true });
  await put('new');
  const sending = send('--to', 'bob');
  const [offer] = await until(
    async () => listOf(await bob.ask('inbox'), 'items').filter(({ state }) => state === 'waiting'),
    ({ length }) => length > 0,
  );
  expect(offer).toMatchObject({ mirror: true });
  expect((await bob.run('inbox')).stdout).toContain('removes what anna delivered before');
  expect(await filesBelow(at(bob))).toEqual(['a', 'old/b']);

  await bob.ask('inbox', 'accept', String(offer?.['id']));

  expect((await sending).at(-1)).toMatchObject({ ok: true, filesRemoved: 1 });
  expect(await filesBelow(at(bob))).toEqual(['a', 'new']);
  bob = await configured(bob, '');
});

test('an older receiver is told apart before anything is sent to it, in a dry run too', async () => {
  const dave = await network.add('dave');
  await anna.sees('dave');
  await dave[Symbol.asyncDispose]();
  const offers: unknown[] = [];
  // It welcomes without the feature.
  await using older = await EvilPeer.open(dave.home, dave.port);
  older.does = async ({ hand }) => void offers.push(await hand.hear('offer'));

  for (const more of [[], ['--dry-run']]) {
    const { code, stderr } = await anna.run('send', tree, '--delete', '--to', 'dave', ...more);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/dave has an older filer-client.*--delete/)]);
  }
  expect(offers).toEqual([undefined, undefined]);
});

test.each([
  ['a file', ['--delete', '--to', 'bob'], 'a'],
  ['standard input', ['--delete', '--to', 'bob', '--as', 'x'], '-'],
])('--delete of %s is a usage error', async (_, args, path) => {
  const { code, stderr } = await anna.run('send', path === '-' ? path : join(tree, path), ...args);
  expect([code, stderr]).toEqual([2, expect.stringContaining('--delete')]);
});

test('the owner of a share cannot remove what was fetched from it', async () => {
  await anna.ask('share', 'add', tree);
  const here = join(network.folder, `fetched-${trees}`);
  await mkdir(here);
  await carol.ask('get', `anna:tree-${trees}`, here);
  await rm(join(tree, 'old'), { recursive: true });
  await carol.ask('get', `anna:tree-${trees}`, here);
  expect(await filesBelow(here)).toEqual([`tree-${trees}/a`, `tree-${trees}/old/b`]);
});

test('of two senders at one path each removes its own alone', async () => {
  bob = await configured(bob, "inbox-pattern = 'all'");
  const theirs = join(network.folder, 'theirs', `tree-${trees}`);
  await mkdir(theirs, { recursive: true });
  for (const path of ['a', 'c']) await writeFile(join(theirs, path), `of carol: ${path}`);
  await carol.sees('bob');
  await anna.ask('send', tree, '--to', 'bob');
  await carol.ask('send', theirs, '--to', 'bob');
  const folder = join(bob.home, 'inbox', 'all', `tree-${trees}`);
  expect(await filesBelow(folder)).toEqual(['a', 'a (1)', 'c', 'old/b']);
  await rm(join(tree, 'a'));

  const lines = await send('--to', 'bob');

  expect(lines.at(-1)).toMatchObject({ ok: true, filesRemoved: 1 });
  expect(await filesBelow(folder)).toEqual(['a (1)', 'c', 'old/b']);
  expect(await readFile(join(folder, 'a (1)'), 'utf8')).toBe('of carol: a');
});
