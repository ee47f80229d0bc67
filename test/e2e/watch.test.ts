import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, renameSync } from 'node:fs';
import {
  chmod,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { DaemonProcess, type Line } from '../support/programs.ts';
import { filesBelow, listOf, sha256, TestNetwork } from '../support/test-network.ts';

/** No look through the folder helps: events alone must do. */
const QUICK = ['--settle', '300ms', '--rescan', '1h'];

/** anna watches, bob and carol receive. */
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'bob', 'carol'] });
  await network.seesAs('anna', 'bob', 'online');
  await network.seesAs('anna', 'carol', 'online');
});
afterAll(() => network.close());

/** A folder that anna watches for bob. */
async function watched(name: string, ...args: string[]): Promise<string> {
  const folder = network.path(name);
  await mkdir(folder, { recursive: true });
  const to = args.includes('--to') ? [] : ['--to', 'bob'];
  await network.ask('anna', 'watch', 'add', folder, ...to, ...QUICK, ...args);
  return folder;
}

async function watchOf(name: string): Promise<Line> {
  const [document] = await network.askHere('anna', 'watch', 'list');
  return listOf(document, 'watches').find((each) => each['name'] === name) ?? {};
}

/** Asks until a watch stands as it should; the test's own time is the limit. */
function comesTo(name: string, fits: (watch: Line) => boolean): Promise<Line> {
  return until(() => watchOf(name), fits);
}

/** Asks until a watch has shipped so much, and nothing waits. @throws Error when it has shipped more */
function hasShipped(name: string, shipped: number): Promise<Line> {
  return comesTo(name, (watch) => {
    if (Number(watch['shipped']) > shipped) throw new Error(`it shipped more: ${JSON.stringify(watch)}`);
    return watch['shipped'] === shipped && watch['waiting'] === 0;
  });
}

async function jobsOf(name: string): Promise<Line[]> {
  const [document] = await network.askHere('anna', 'history');
  return listOf(document, 'jobs').filter(({ as }) => as === name);
}

/** All that is below, as lines of kind, permissions, size or target, and time to the second. */
async function listing(folder: string): Promise<string[]> {
  const find = spawn('find', ['.', '-printf', '%y %m %l %T+ %s %P\n'], { cwd: folder });
  let text = '';
  find.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  await once(find, 'close');
  return text
    .split('\n')
    .map((line) => line.replace(/^(d .*) \d+ /, '$1 ').replace(/(\d\d:\d\d:\d\d)\.\d+/, '$1'))
    .toSorted();
}

test('what is there and what is copied in arrives at its place with modes, times, links and empty folders', async () => {
  const folder = network.path('drop');
  await mkdir(join(folder, 'old'), { recursive: true });
  await writeFile(join(folder, 'old', 'there.txt'), 'there');
  const [added] = await network.ask('anna', 'watch', 'add', folder, '--to', 'bob', ...QUICK);
  expect(added).toMatchObject({
    id: expect.stringMatching(/^\d+$/),
    name: 'drop',
    folder,
    to: ['bob'],
    state: 'watching',
    reason: null,
    onConflict: 'update',
    settleMs: 300,
    rescanMs: 3_600_000,
    deleteAfter: false,
    moveTo: null,
  });
  await hasShipped('drop', 1);

  const from = network.path('from');
  await mkdir(join(from, 'sub', 'empty'), { recursive: true });
  await writeFile(join(from, 'sub', 'a.txt'), 'a');
  await writeFile(join(from, 'b.sh'), 'b');
  await chmod(join(from, 'b.sh'), 0o755);
  await symlink('sub/a.txt', join(from, 'link'));
  await utimes(join(from, 'sub', 'a.txt'), 1_000_000, 1_000_000);
  await cp(from, join(folder, 'new'), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  await hasShipped('drop', 4);

  expect(await listing(network.inbox('bob', 'anna', 'drop'))).toEqual(await listing(folder));
});

test('a new version takes the place of the old one, and what stays the same does not go again', async () => {
  const folder = await watched('versions');
  await writeFile(join(folder, 'a'), 'one');
  await writeFile(join(folder, 'b'), 'b');
  await hasShipped('versions', 2);
  // As editors save: a new file takes the name.
  await writeFile(join(folder, '.a.new'), 'two');
  await rename(join(folder, '.a.new'), join(folder, 'a'));
  await hasShipped('versions', 3);

  expect(await filesBelow(network.inbox('bob', 'anna', 'versions'))).toEqual(['a', 'b']);
  expect(await readFile(network.inbox('bob', 'anna', 'versions', 'a'), 'utf8')).toBe('two');
});

test('what a receiver changed stays, and the new version comes beside it', async () => {
  const folder = await watched('theirs');
  await writeFile(join(folder, 'a.txt'), 'one');
  await hasShipped('theirs', 1);
  await writeFile(network.inbox('bob', 'anna', 'theirs', 'a.txt'), 'mine');
  await writeFile(join(folder, 'a.txt'), 'two');
  await hasShipped('theirs', 2);

  const there = network.inbox('bob', 'anna', 'theirs');
  expect(await filesBelow(there)).toEqual(['a (1).txt', 'a.txt']);
  expect(await readFile(join(there, 'a.txt'), 'utf8')).toBe('mine');
  expect(await readFile(join(there, 'a (1).txt'), 'utf8')).toBe('two');
});

const SLOW_WRITER = `
  const { openSync, writeSync, closeSync } = require('node:fs');
  const file = openSync(process.argv[1], 'w');
  let parts = 0;
  process.stdin.on('data', () => {
    writeSync(file, Buffer.alloc(1000, ++parts));
    process.stdout.write(parts + '\\n');
  });
  process.stdin.on('end', () => closeSync(file));
`;

test.skipIf(process.platform !== 'linux')(
  'a slow writer that pauses for longer than the settle time ships no half',
  async () => {
    const folder = await watched('slow');
    const writer = spawn(process.execPath, ['-e', SLOW_WRITER, join(folder, 'slow.bin')]);
    const said = createInterface({ input: writer.stdout })[Symbol.asyncIterator]();
    for (let part = 1; part <= 3; part++) {
      writer.stdin.write('more\n');
      expect((await said.next()).value).toBe(String(part));
      // What was written after it has come to rest and is there: the pause was longer than the settle time.
      await writeFile(join(folder, `after-${part}`), 'x');
      await comesTo('slow', (watch) => watch['shipped'] === part);
      expect(await filesBelow(network.inbox('bob', 'anna', 'slow'))).not.toContain('slow.bin');
    }
    writer.stdin.end();
    await once(writer, 'close');
    await hasShipped('slow', 4);

    const [document] = await network.ask('bob', 'inbox');
    const items = listOf(document, 'items').filter(({ path }) => String(path).endsWith('/slow.bin'));
    expect(items).toMatchObject([{ size: 3_000 }]);
    expect(await sha256(network.inbox('bob', 'anna', 'slow', 'slow.bin'))).toBe(
      await sha256(join(folder, 'slow.bin')),
    );
  },
);

test('a half that its writer closed is followed by the whole, in its place', async () => {
  const folder = await watched('closed');
  await writeFile(join(folder, 'a'), 'half');
  await hasShipped('closed', 1);
  appendFileSync(join(folder, 'a'), ' and half');
  await hasShipped('closed', 2);

  expect(await filesBelow(network.inbox('bob', 'anna', 'closed'))).toEqual(['a']);
  expect(await readFile(network.inbox('bob', 'anna', 'closed', 'a'), 'utf8')).toBe('half and half');
});

test('temporary names, patterns and .filerignore files keep things here', async () => {
  const folder = await watched('rules', '--exclude', '*.log', '--exclude', '!kept.tmp');
  await mkdir(join(folder, 'sub'));
  await mkdir(join(folder, 'out'));
  await writeFile(join(folder, 'sub', '.filerignore'), 'secret\n');
  const names = [
    'a.part',
    'b.tmp',
    '.c.swp',
    'd~',
    'e.crdownload',
    'f.log',
    'sub/secret',
    'kept.tmp',
    'g',
    'sub/h',
  ];
  for (const name of names) await writeFile(join(folder, name), name);
  await hasShipped('rules', 4);
  // A file that was written under a temporary name comes with its final one.
  renameSync(join(folder, 'a.part'), join(folder, 'a'));
  await hasShipped('rules', 5);

  await symlink('/etc/hostname', join(folder, 'outside'));
  const failing = await comesTo('rules', ({ state }) => state === 'failing');
  expect(failing['reason']).toMatch(/the link "rules\/outside" .* points outside .*: it stays here$/);

  const there = ['a', 'g', 'kept.tmp', 'sub/.filerignore', 'sub/h'];
  expect(await filesBelow(network.inbox('bob', 'anna', 'rules'))).toEqual(there);
});

test('a folder that is not there yet is watched when it comes, and again when it was removed and comes back', async () => {
  const folder = network.path('away/disk');
  const { stderr } = await network.client('anna', ['watch', 'add', folder, '--to', 'bob', ...QUICK]);
  expect(stderr).toContain('does not exist yet: it is watched when it is created');
  expect(await watchOf('disk')).toMatchObject({
    state: 'folder-missing',
    reason: `there is no folder ${JSON.stringify(folder)}: it is watched as soon as it is there`,
  });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'a'), 'a');
  expect(await hasShipped('disk', 1)).toMatchObject({ state: 'watching', reason: null });

  await rename(folder, `${folder}-elsewhere`);
  await comesTo('disk', ({ state }) => state === 'folder-missing');
  await writeFile(`${folder}-elsewhere/b`, 'b');
  await rename(`${folder}-elsewhere`, folder);
  await hasShipped('disk', 2);
  const problem = /a watched folder has a problem.*disk/;
  await network.daemon('anna').said(problem, 2);
  expect(network.daemon('anna').count(problem)).toBe(2);
  // Removed for good, and made again, as a rule before anybody looks.
  await rm(folder, { recursive: true });
  await mkdir(folder);
  await writeFile(join(folder, 'c'), 'c');
  await hasShipped('disk', 3);
  expect(await filesBelow(network.inbox('bob', 'anna', 'disk'))).toEqual(['a', 'b', 'c']);
});

test('what comes into a folder that was made again or renamed goes, from the place where it is', async () => {
  const folder = await watched('moves');
  await mkdir(join(folder, 'sub', 'deep'), { recursive: true });
  await writeFile(join(folder, 'sub', 'deep', 'a'), 'a');
  await hasShipped('moves', 1);
  await rm(join(folder, 'sub'), { recursive: true });
  await mkdir(join(folder, 'sub', 'deep'), { recursive: true });
  await writeFile(join(folder, 'sub', 'deep', 'b'), 'b');
  await hasShipped('moves', 2);
  await rename(join(folder, 'sub'), join(folder, 'other'));
  await hasShipped('moves', 3);
  await writeFile(join(folder, 'other', 'deep', 'c'), 'c');
  await hasShipped('moves', 4);

  const there = ['other/deep/b', 'other/deep/c', 'sub/deep/a', 'sub/deep/b'];
  expect(await filesBelow(network.inbox('bob', 'anna', 'moves'))).toEqual(there);
});

test('a repository that is cloned into the folder is the same repository there', async () => {
  const source = network.path('source');
  await mkdir(source);
  const git = async (cwd: string, ...args: string[]): Promise<string> => {
    const identity = ['-c', 'user.name=a', '-c', 'user.email=a@example.org'];
    const child = spawn('git', [...identity, ...args], { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`git ${args.join(' ')}: ${code}`);
    return text;
  };
  await git(source, 'init', '-q');
  for (let n = 0; n < 30; n++) await writeFile(join(source, `${n}.txt`), `file ${n}\n`.repeat(n));
  await git(source, 'add', '.');
  await git(source, 'commit', '-qm', 'first');
  const folder = await watched('clones');
  await git(folder, 'clone', '-q', source, 'repo');
  const files = (await filesBelow(folder)).length;
  await hasShipped('clones', files);

  const there = network.inbox('bob', 'anna', 'clones');
  expect(await listing(there)).toEqual(await listing(folder));
  expect(await git(join(there, 'repo'), 'status', '--porcelain')).toBe('');
  expect(await git(join(there, 'repo'), 'fsck', '--strict')).toBe('');
});

test('hundreds of files that are dropped in while the daemon is killed again and again arrive once', async () => {
  const folder = await watched('many', '--to', 'bob,carol');
  const names = Array.from({ length: 400 }, (_, n) => `${n % 10}/${n}.txt`);
  for (let n = 0; n < 10; n++) await mkdir(join(folder, String(n)));
  for (const [n, name] of names.entries()) {
    await writeFile(join(folder, name), name.repeat(n % 50));
    if (n % 200 !== 199) continue;
    await network.daemon('anna').stop('SIGKILL');
    await network.start('anna');
  }
  // Once more when it has begun to ship.
  await comesTo('many', ({ waiting }) => Number(waiting) > 0);
  await network.daemon('anna').stop('SIGKILL');
  await network.start('anna');
  await comesTo('many', ({ waiting, shipped }) => waiting === 0 && Number(shipped) === 800);

  for (const name of ['bob', 'carol']) {
    expect(await listing(network.inbox(name, 'anna', 'many'))).toEqual(await listing(folder));
    const [document] = await network.ask(name, 'inbox');
    const came = listOf(document, 'items').filter(({ path }) => String(path).includes('/anna/many/'));
    expect(came.length).toBe(400);
  }
  expect((await jobsOf('many')).length).toBeLessThan(12);
});

test('a day offline is one job for who was away, and nothing for who was not', async () => {
  await network.daemon('bob').stop();
  await network.seesAs('anna', 'bob', 'stopped');
  const folder = await watched('offline', '--to', 'bob,carol');
  for (let n = 0; n < 3; n++) {
    await writeFile(join(folder, `${n}`), `${n}`);
    await writeFile(join(folder, 'newest'), `${n}`);
    await comesTo('offline', ({ shipped }) => shipped === 2 * (n + 1));
  }
  const jobs = await jobsOf('offline');
  const open = jobs.filter(({ state }) => state === 'queued');
  // The first one went to both; what came later is gathered for bob.
  expect(open.map(({ recipients }) => (recipients as Line[]).length)).toEqual([2, 1]);
  await network.daemon('anna').stop();
  await rm(join(folder, '2'));
  await network.start('anna');
  await network.start('bob');
  await comesTo('offline', ({ waiting }) => waiting === 0);

  const there = network.inbox('bob', 'anna', 'offline');
  expect(await filesBelow(there)).toEqual(['0', '1', 'newest']);
  expect(await readFile(join(there, 'newest'), 'utf8')).toBe('2');
  expect((await jobsOf('offline')).map(({ state }) => state)).toEqual(Array(4).fill('done'));
});

test('a file that is away when its turn comes goes when it is back', async () => {
  await network.daemon('bob').stop();
  await network.seesAs('anna', 'bob', 'stopped');
  const folder = await watched('unplugged');
  await writeFile(join(folder, 'a'), 'a');
  await until(
    () => jobsOf('unplugged'),
    ([job]) => job?.['state'] === 'queued',
  );
  await rename(folder, `${folder}-away`);
  await network.start('bob');
  await comesTo('unplugged', ({ waiting }) => waiting === 0);
  expect(await filesBelow(network.inbox('bob', 'anna', 'unplugged'))).toEqual([]);
  await rename(`${folder}-away`, folder);
  await hasShipped('unplugged', 1);
  expect(await filesBelow(network.inbox('bob', 'anna', 'unplugged'))).toEqual(['a']);
});

test('with --delete-after a file goes when both have it, and a newer one stays until both have that', async () => {
  await network.daemon('bob').stop();
  await network.seesAs('anna', 'bob', 'stopped');
  const folder = await watched('gone', '--to', 'bob,carol', '--delete-after');
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'sub', 'a'), 'a');
  await writeFile(join(folder, 'b'), 'one');
  await comesTo('gone', ({ shipped }) => shipped === 2);
  expect(await filesBelow(folder)).toEqual(['b', 'sub/a']);
  await writeFile(join(folder, 'b'), 'two');
  await comesTo('gone', ({ shipped }) => shipped === 3);
  expect(await filesBelow(folder)).toEqual(['b', 'sub/a']);
  await network.start('bob');
  await until(
    () => filesBelow(folder),
    (files) => files.length === 0,
  );
  await comesTo('gone', ({ waiting }) => waiting === 0);

  expect(await readdir(folder)).toEqual(['sub']);
  for (const name of ['bob', 'carol']) {
    const there = network.inbox(name, 'anna', 'gone');
    expect(await filesBelow(there)).toEqual(['b', 'sub/a']);
    expect(await readFile(join(there, 'b'), 'utf8')).toBe('two');
  }
});

test('with --move-to a file keeps its path below there, and takes no one’s place', async () => {
  const sent = network.path('sent');
  await mkdir(join(sent, 'sub'), { recursive: true });
  await writeFile(join(sent, 'sub', 'a.txt'), 'mine');
  const folder = await watched('moved', '--move-to', sent);
  await mkdir(join(folder, 'sub'));
  await writeFile(join(folder, 'sub', 'a.txt'), 'a');
  await writeFile(join(folder, 'b'), 'b');
  await until(
    () => filesBelow(folder),
    (files) => files.length === 0,
  );

  expect(await filesBelow(sent)).toEqual(['b', 'sub/a (1).txt', 'sub/a.txt']);
  expect(await readFile(join(sent, 'sub', 'a.txt'), 'utf8')).toBe('mine');
  expect(await readFile(join(sent, 'sub', 'a (1).txt'), 'utf8')).toBe('a');
  expect(await filesBelow(network.inbox('bob', 'anna', 'moved'))).toEqual(['b', 'sub/a.txt']);
});

test('a watched folder that holds the inbox of its recipient ships each file once, and says what it leaves out', async () => {
  const drive = network.path('drive');
  await mkdir(join(drive, 'sub', 'empty'), { recursive: true });
  await writeFile(join(drive, 'sub', 'a'), 'a');
  await network.add('dora', '--inbox', drive);
  await network.seesAs('anna', 'dora', 'online');
  await watched('drive', '--to', 'dora');
  await comesTo('drive', ({ state }) => state === 'failing');
  for (const [n, name] of ['b', 'sub/c'].entries()) {
    await writeFile(join(drive, name), name);
    await hasShipped('drive', n + 2);
  }

  expect(await filesBelow(drive)).toEqual([
    ...['anna/drive/b', 'anna/drive/sub/a', 'anna/drive/sub/c'],
    ...['b', 'sub/a', 'sub/c'],
  ]);
  expect((await watchOf('drive'))['reason']).toContain(JSON.stringify(join(drive, 'anna', 'drive')));
  await network.ask('anna', 'watch', 'remove', 'drive', '--yes');
});

test('what a recipient has because it is the very same file is not removed for that', async () => {
  const folder = network.path('drive/anna/same');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'only'), 'copy');
  await network.ask('anna', 'watch', 'add', folder, '--to', 'dora', '--delete-after', ...QUICK);
  const failing = await comesTo('same', ({ state }) => state === 'failing');

  expect(failing).toMatchObject({ shipped: 0, failed: { recipient: 'dora' } });
  expect(await filesBelow(folder)).toEqual(['only']);
  await network.ask('anna', 'watch', 'remove', 'same', '--yes');
});

test('a recipient without room is told about, and gets it when it comes back with room', async () => {
  await network.daemon('carol').stop();
  await network.start('carol', '--inbox-quota', '1KiB');
  await network.seesAs('anna', 'carol', 'online');
  const folder = await watched('refused', '--to', 'carol');
  await writeFile(join(folder, 'a'), Buffer.alloc(5_000));
  const failing = await comesTo('refused', ({ state }) => state === 'failing');
  expect(failing).toMatchObject({ shipped: 0, failed: { recipient: 'carol' } });
  expect(failing['reason']).toMatch(/carol/);
  await network.daemon('carol').stop();
  await network.start('carol');
  expect(await hasShipped('refused', 1)).toMatchObject({ state: 'watching', reason: null, failed: null });
});

test('a watch that is removed ships nothing more, and leaves its files and what is on its way alone', async () => {
  await network.daemon('bob').stop();
  await network.seesAs('anna', 'bob', 'stopped');
  const folder = await watched('removed', '--delete-after');
  await writeFile(join(folder, 'a'), 'a');
  await until(
    () => jobsOf('removed'),
    (jobs) => jobs.length > 0,
  );
  const [removed] = await network.ask('anna', 'watch', 'remove', folder, '--yes');
  expect(removed).toMatchObject({ name: 'removed', folder, waiting: 1 });
  await writeFile(join(folder, 'b'), 'b');
  await network.start('bob');
  await until(
    () => jobsOf('removed'),
    ([job]) => job?.['state'] === 'done',
  );
  expect(await filesBelow(network.inbox('bob', 'anna', 'removed'))).toEqual(['a']);
  expect(await filesBelow(folder)).toEqual(['a', 'b']);
  const again = await network.client('anna', ['watch', 'remove', 'removed', '--yes']);
  expect(again).toMatchObject({ code: 1 });
  expect(again.stderr).toContain('there is no watch "removed"');
});

test.skipIf(needs('unshare'))(
  'where the system watches no further folders it says so, and looks instead',
  async () => {
    const folder = network.path('wide');
    for (let n = 0; n < 20; n++) await mkdir(join(folder, String(n)), { recursive: true });
    await network.join('dave');
    const where = ['--listen', '127.0.0.1:0'];
    const few = 'echo 8 > /proc/sys/user/max_inotify_watches; exec "$@"';
    const wrapper = ['unshare', '-Ur', 'sh', '-c', few, 'sh'];
    const dave = await DaemonProcess.start('filer-client', where, network.home('dave'), { wrapper });
    try {
      await dave.said('connected to the ip-server');
      await network.ask('dave', 'watch', 'add', folder, '--to', 'bob', '--settle', '300ms', '--rescan', '1s');
      const words =
        'cannot watch further folders for this user, so it is looked through every 1 s: raise fs.inotify';
      await dave.said(words);
      for (let n = 0; n < 20; n++) await writeFile(join(folder, String(n), 'a'), 'a');
      for (let shipped = 0; shipped < 20;) {
        const [document] = await network.ask('dave', 'watch', 'list');
        const [watch] = listOf(document, 'watches');
        expect(watch).toMatchObject({ state: 'blind', reason: expect.stringContaining(words) });
        shipped = Number(watch?.['shipped']);
      }
      expect((await filesBelow(network.inbox('bob', 'dave', 'wide'))).length).toBe(20);
      expect(dave.count(words)).toBe(1);
    } finally {
      await dave.stop();
    }
  },
);

test('without a daemon a watch is kept, and begins when one runs', async () => {
  await network.join('erin');
  const folder = network.path('later');
  await mkdir(folder);
  await writeFile(join(folder, 'a'), 'a');
  const { code, stdout } = await network.client('erin', ['watch', 'add', folder, '--to', 'bob', ...QUICK]);
  expect([code, stdout]).toEqual([0, `later: ${folder} is watched for bob\n`]);
  const [document] = await network.ask('erin', 'watch', 'list');
  expect(listOf(document, 'watches')).toMatchObject([
    { name: 'later', state: 'stopped', reason: 'it continues when `filer-client start` runs here' },
  ]);
  await network.start('erin');
  while ((await filesBelow(network.inbox('bob', 'erin', 'later'))).length === 0)
    await network.ask('erin', 'status');
  const table = await network.client('erin', ['watch', 'list']);
  expect(table.stdout).toMatch(/ID +NAME +STATE +WAITING +SHIPPED +LAST +TO +FOLDER\n1 +later +watching +/);
});

test('what cannot be watched is refused in a sentence', async () => {
  const file = await network.file('a-file', 10);
  const folder = network.path('free');
  await mkdir(folder);
  await watched('taken');
  await watched('emptied', '--delete-after');
  const refused = async (...args: string[]): Promise<[number | null, string]> => {
    const { code, stderr } = await network.client('anna', ['watch', 'add', ...args]);
    return [code, stderr];
  };
  const bob = ['--to', 'bob'];
  const cases: [string[], number, RegExp][] = [
    [[file, ...bob], 1, /is not a folder: watch the folder that contains it/],
    [[folder, '--to', 'nobody'], 4, /no peer is called nobody/],
    [[folder], 2, /--to/],
    [[folder, ...bob, '--settle', 'soon'], 2, /--settle.*2s|--settle.*10s/],
    [[folder, ...bob, '--settle', '1ms'], 2, /--settle takes from 100 ms/],
    [[folder, ...bob, '--delete-after', '--move-to', '/x'], 2, /give one of them/],
    [[folder, ...bob, '--move-to', join(folder, 'x')], 2, /--move-to .* is in the watched folder/],
    [[folder, ...bob, '--as', 'a/b'], 2, /no name for a watch/],
    [['/', ...bob, '--as', 'all'], 6, /contain one another/],
    [[network.inbox('anna', 'bob'), ...bob], 6, /inbox .* contain one another/],
    [[network.home('anna'), ...bob], 6, /contain one another/],
    [[folder, ...bob, '--as', 'taken'], 6, /is called "taken" already/],
    [[network.path('emptied'), ...bob, '--as', 'again'], 6, /name all targets in one watch/],
  ];
  for (const [args, code, words] of cases) {
    const [exit, stderr] = await refused(...args);
    expect([args, exit]).toEqual([args, code]);
    expect(stderr).toMatch(words);
  }
  expect(existsSync(network.inbox('anna', 'bob'))).toBe(false);
  expect((await stat(folder)).isDirectory()).toBe(true);
});
