import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';
import { JobStore } from '../../apps/filer-client/src/store/job-store.ts';
import { ReceiptStore } from '../../apps/filer-client/src/store/receipt-store.ts';
import { jsonLines } from '../support/programs.ts';
import { filesBelow, listOf, TestNetwork, writeRandomFile } from '../support/test-network.ts';

/** bob shares; anna has a daemon, carol and dave have none. */
/** A get of it is slow enough to be ended, and its rest quick. */
const LARGE_BYTES = 16_000_000;

let network: TestNetwork;
let large: string;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'bob'] });
  await Promise.all([network.join('carol'), network.join('dave')]);
  await network.seesAs('anna', 'bob', 'online');
  large = network.path('large');
  await mkdir(large);
  await writeRandomFile(join(large, 'file'), LARGE_BYTES);
  await network.ask('bob', 'share', 'add', large);
});
afterAll(() => network.close());

describe('share', () => {
  test('keeps folders under names until they are removed, with a daemon and without one', async () => {
    const folder = network.path('some folder');
    await mkdir(folder);
    for (const who of ['bob', 'carol']) {
      const [added] = await network.ask(
        who,
        'share',
        'add',
        folder,
        '--as',
        'x',
        '--group',
        'lab',
        '--group',
        '@ops',
      );
      expect(added).toMatchObject({ name: 'x', folder, groups: ['lab', 'ops'], server: false });
      const [all] = await network.ask(who, 'share', 'list');
      expect(listOf(all, 'shares')).toContainEqual(added);
      expect(await network.ask(who, 'share', 'remove', 'x', '--yes')).toEqual([{ name: 'x' }]);
      const [left] = await network.ask(who, 'share', 'list');
      expect(listOf(left, 'shares').map(({ name }) => name)).not.toContain('x');
    }
  });

  test.each([
    ['a folder that is not there', ['add', 'nowhere'], 1, 'there is no folder'],
    ['a file', ['add', 'large/file'], 1, 'is not a folder'],
    [
      'a name that is taken',
      ['add', 'server', '--as', 'large'],
      6,
      'there is a share called "large" already',
    ],
    ['a name with a slash', ['add', 'large', '--as', 'a/b'], 2, 'has a / in it'],
    ['a name that climbs', ['add', 'large', '--as', '..'], 2, 'has the component ..'],
    ['a group that does not exist', ['add', 'large', '--as', 'y', '--group', 'a b'], 2, '--group takes'],
    ['a group for the server', ['add', 'large', '--server', '--group', 'lab'], 2, 'give one of them'],
    ['the home of this machine', ['add', 'bob'], 6, "holds this machine's key"],
    ['a folder above it', ['add', '.'], 6, "holds this machine's key"],
    ['a share that is not there', ['remove', 'nothing', '--yes'], 1, 'there is no share called "nothing"'],
  ])('refuses %s in a sentence', async (_what, args, code, words) => {
    const outcome = await network.client('bob', ['share', ...args], { cwd: network.folder });
    expect({ code: outcome.code, stdout: outcome.stdout }).toEqual({ code, stdout: '' });
    expect(outcome.stderr).toContain(words);
  });
});

test.each([
  ['ls', 'nobody', 4, 'no peer is called nobody'],
  ['ls', '@all', 2, 'does not name a single peer'],
  ['ls', 'bob:nothing', 1, 'bob offers no `nothing`'],
  ['ls', 'bob:large/nothing', 1, 'there is no file'],
  ['ls', 'bob:../x', 2, 'write PEER:SHARE/path'],
  ['get', 'bob', 2, 'say which share of bob'],
  ['get', 'bob:nothing', 1, 'bob offers no `nothing`'],
  ['get', 'bob:large/nothing', 1, 'there is no file'],
  ['get', 'carol:x', 5, 'carol'],
])('%s %s ends with exit %i and a sentence', async (command, source, code, words) => {
  for (const who of ['anna', 'dave']) {
    const outcome = await network.client(who, [command, source], { cwd: network.folder });
    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain(words);
    expect(outcome.stderr).not.toContain(network.folder);
  }
});

test('a folder of 6,000 files is listed, in pages and in one document', async () => {
  const many = network.path('many');
  await mkdir(many);
  const name = (n: number): string => `${'long '.repeat(10)}${String(n).padStart(5, '0')}`;
  for (let n = 0; n < 6_000; n += 500) {
    await Promise.all(Array.from({ length: 500 }, (_, k) => writeFile(join(many, name(n + k)), '')));
  }
  await network.ask('bob', 'share', 'add', many);
  for (const who of ['anna', 'dave']) {
    const [document] = await network.ask(who, 'ls', 'bob:many');
    const names = listOf(document, 'entries').map((entry) => entry['name']);
    expect(names).toEqual(Array.from({ length: 6_000 }, (_, n) => name(n)));
  }
});

test('a link that leads out of a share is told, is no failure, and the rest comes', async () => {
  const mixed = network.path('mixed');
  await mkdir(join(mixed, 'sub'), { recursive: true });
  await writeFile(join(mixed, 'sub', 'file'), 'comes');
  await symlink('/etc', join(mixed, 'sub', 'away'));
  await network.ask('bob', 'share', 'add', mixed);
  const dest = network.path('of-mixed');
  const { code, stdout, stderr } = await network.client('anna', ['get', 'bob:mixed', dest, '--json']);
  expect(code).toBe(0);
  expect(stderr).toContain('1 link leads out of the folder');
  const lines = jsonLines({ stdout });
  expect(lines.at(-1)).toMatchObject({ ok: true, filesSent: 1, filesFailed: 0, linksLeftOut: 1 });
  expect(lines.filter(({ reason, type }) => type === 'file' && reason === 'link')).toMatchObject([
    { path: join(dest, 'sub', 'away'), code: null, status: 'skipped' },
  ]);
  expect(await filesBelow(dest)).toEqual(['sub/file']);
});

/** A get that is under way, slowly. */
async function slowly(who: string, dest: string, limit = '100KB') {
  const get = network.follow(who, ['get', 'bob:large', network.path(dest), '--limit', limit, '--json']);
  await get.typed('progress');
  return get;
}

test("what the owner's .filerignore names is neither listed nor fetched", async () => {
  const folder = network.path('ruled');
  await mkdir(join(folder, 'sub', 'secret'), { recursive: true });
  await writeFile(join(folder, '.filerignore'), '*.key\nsecret/\n');
  await writeFile(join(folder, 'sub', '.filerignore'), '!open.key\n');
  for (const path of ['a.txt', 'b.key', 'sub/open.key', 'sub/secret/c.txt'])
    await writeFile(join(folder, path), path);
  await network.ask('bob', 'share', 'add', folder);

  const [listed] = await network.ask('anna', 'ls', 'bob:ruled');
  expect(listOf(listed, 'entries').map(({ name }) => name)).toEqual(['.filerignore', 'a.txt', 'sub']);
  const to = network.path('ruled-here');
  await network.ask('anna', 'get', 'bob:ruled', to);
  expect(await filesBelow(to)).toEqual(['.filerignore', 'a.txt', 'sub/.filerignore', 'sub/open.key']);
  for (const path of ['ruled/b.key', 'ruled/sub/secret', 'ruled/sub/secret/c.txt', 'ruled/none']) {
    const { code, stderr } = await network.client('anna', ['get', `bob:${path}`, network.path('nothing')]);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`there is no file "${path}": check the name`),
    ]);
  }
});

test('two gets of one thing to one place: the second waits, and finds it there', async () => {
  await mkdir(network.path('both'));
  const dest = network.path('both');
  const first = network.follow('dave', ['get', 'bob:large', dest, '--limit', '2MB', '--json']);
  await first.typed('progress');
  const second = network.follow('dave', ['get', 'bob:large', dest, '--json']);
  await second.typed('waiting');
  const outcomes = await Promise.all([first.ended, second.ended]);

  const done = outcomes.map((outcome) => jsonLines(outcome).at(-1));
  expect(done).toMatchObject([
    { ok: true, filesSent: 1, filesSkipped: 0 },
    { ok: true, filesSent: 0, filesSkipped: 1 },
  ]);
  expect(await filesBelow(dest)).toEqual(['large/file']);
});

test('what was fetched, and what was not, stands in the history of its owner, with receipts', async () => {
  await network.ask('dave', 'get', 'bob:large', network.path('for-history'));
  await network.daemon('bob').said('fetched');
  const database = openDatabase(join(network.home('bob'), 'filer.db'));
  try {
    const [jobs, receipts] = [new JobStore(database), new ReceiptStore(database)];
    const job = jobs.list().findLast(({ request }) => request.includes('"kind":"pull"'));
    expect(JSON.parse(job?.request ?? '{}')).toMatchObject({ kind: 'pull', path: 'large', to: ['dave'] });
    expect(job?.state).toBe('done');
    expect(jobs.deliveries(job?.id ?? '')).toMatchObject([
      { name: 'dave', state: 'delivered', filesSent: 1, filesFailed: 0, bytesSent: LARGE_BYTES },
    ]);
    const [batch] = [...receipts.of(job?.id ?? '')];
    expect(batch?.paths).toEqual(['large/file']);
  } finally {
    database.close();
  }
});

test('a share that is removed while somebody fetches from it ends that at once', async () => {
  const get = await slowly('anna', 'from-removed');
  await network.ask('bob', 'share', 'remove', 'large', '--yes');
  const { code, stdout } = await get.ended;
  expect(code).toBe(1);
  expect(jsonLines({ stdout }).at(-1)).toMatchObject({
    type: 'done',
    ok: false,
    recipients: [
      {
        ok: false,
        code: 'path-missing',
        status: expect.stringContaining('the share "large" was removed') as string,
      },
    ],
  });
  await expect(stat(network.path('from-removed/file'))).rejects.toThrow('ENOENT');
  await network.ask('bob', 'share', 'add', large);
});

test('Ctrl-C ends a get, and the next one continues from what it left', async () => {
  const get = await slowly('dave', 'cut', '600KB');
  await get.line(({ type, bytesSent }) => type === 'progress' && Number(bytesSent) > 1_200_000);
  expect(await get.stop('SIGINT')).toBe(130);
  const last = (await network.ask('dave', 'get', 'bob:large', network.path('cut'))).at(-1);
  expect(last).toMatchObject({ ok: true, filesSent: 1 });
  expect(last?.['bytesSent']).toBeLessThan(LARGE_BYTES);
  expect(await readFile(network.path('cut/file'))).toEqual(await readFile(join(large, 'file')));
});

test('a member that is removed while it fetches gets no further', async () => {
  const get = await slowly('dave', 'from-outside');
  expect((await network.ofServer(['remove', 'dave', '--yes'])).code).toBe(0);
  const { code } = await get.ended;
  expect(code).not.toBe(0);
  await expect(stat(network.path('from-outside/file'))).rejects.toThrow('ENOENT');
  expect((await network.client('dave', ['ls', 'bob'])).code).toBe(6);
});
