import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askHere } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { jsonLines } from '../support/programs.ts';
import { filesBelow, listOf } from '../support/test-network.ts';

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;
let folder: string;
beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
  await bob.sees('anna');
  folder = join(network.folder, 'files', 'tree');
  await mkdir(join(folder, 'sub'), { recursive: true });
  await writeFile(join(folder, 'sub', 'f'), 'content');
  await writeFile(join(folder, 'g'), 'v1');
});
afterAll(() => network[Symbol.asyncDispose]());

function at(...path: string[]): string {
  return join(bob.home, 'inbox', 'anna', ...path);
}

test('--into puts paths into a folder of the receiver, skips them there the second time, and the history names it', async () => {
  const file = join(folder, 'g');
  await anna.ask('send', folder, file, '--to', 'bob', '--into', 'reports/2026/');
  expect(await filesBelow(at('reports'))).toEqual(['2026/g', '2026/tree/g', '2026/tree/sub/f']);
  await writeFile(join(folder, 'g'), 'version 2');

  const lines = await askHere('filer-client', anna.home, [
    ...['send', folder, file, '--to', 'bob', '--into', 'reports/2026'],
  ]);

  expect(lines.at(-1)).toMatchObject({ ok: true, filesSent: 2, filesSkipped: 1 });
  expect(lines.filter(({ type }) => type === 'receipt')).toContainEqual(
    expect.objectContaining({ path: join(folder, 'sub/f'), receivedAs: 'anna/reports/2026/tree/sub/f' }),
  );
  expect(await filesBelow(at('reports'))).toEqual(['2026/g', '2026/tree/g', '2026/tree/sub/f']);
  const job = String(lines.at(-1)?.['job']);
  expect(listOf(await anna.ask('history'), 'jobs').at(-1)).toMatchObject({ job, into: 'reports/2026' });
  expect((await anna.run('history', job)).stdout).toContain('into reports/2026/');
  expect((await anna.run('verify', job, '--ask')).code).toBe(0);
});

test('--into goes with --as, and with what standard input brings', async () => {
  await anna.ask('send', join(folder, 'g'), '--as', 'x', '--to', 'bob', '--into', 'named');
  await askHere(
    'filer-client',
    anna.home,
    ['send', '-', '--as', 'y', '--to', 'bob', '--into', 'named'],
    'in',
  );
  expect(await filesBelow(at('named'))).toEqual(['x', 'y']);
});

test('a retry of what was put into a folder goes to that folder', async () => {
  const gone = join(folder, '..', 'gone');
  await writeFile(gone, 'later');
  await bob[Symbol.asyncDispose]();
  const sent = await anna.run('send', gone, '--to', 'bob', '--into', 'again', '--timeout', '1s', '--json');
  const job = String(jsonLines(sent).at(-1)?.['job']);
  bob = await (await network.start(bob.home)).connected();
  await anna.sees('bob');

  await anna.ask('retry', job);

  expect(await readFile(at('again', 'gone'), 'utf8')).toBe('later');
});

test.each(['..', 'a/../b', '/etc', '.', 'a//b', '.filer-part-x', 'a\0b'])(
  'the folder %j is no place to put files into',
  async (into) => {
    const { code, stderr } = await anna.run('send', folder, '--to', 'bob', '--into', into);
    expect(code).toBe(2);
    expect(stderr).toContain('--into');
  },
);

test('links that lead out of the tree cost one line that names what helps, and exit 0', async () => {
  await symlink('/etc/hostname', join(folder, 'absolute'));
  await symlink('../../x', join(folder, 'above'));
  const { code, stderr } = await anna.run('send', folder, '--to', 'bob');
  const said = stderr.split('\n').filter((line) => line.includes('links'));
  expect(code).toBe(0);
  expect(said).toHaveLength(2); // the line, and the summary
  expect(said.join('\n')).toMatch(/2 links .*absolute.*--copy-links.*--skip-links/);
  expect(said.join('\n')).toMatch(/2 links not sent/);

  const lines = await askHere('filer-client', anna.home, ['send', folder, '--to', 'bob']);
  expect(lines.at(-1)).toMatchObject({ ok: true, exitCode: 0, linksLeftOut: 2, filesFailed: 0 });
  expect(lines).toContainEqual(
    expect.objectContaining({
      type: 'file',
      ok: true,
      status: 'skipped',
      reason: 'link',
      path: join(folder, 'above'),
    }),
  );
  const skipped = await anna.run('send', folder, '--to', 'bob', '--skip-links');
  expect(skipped.stderr).not.toContain('--copy-links');
  const dry = await askHere('filer-client', anna.home, ['send', folder, '--to', 'bob', '--dry-run']);
  expect(dry.at(-1)).toMatchObject({ exitCode: 0, linksLeftOut: 2 });
});

test('what is fetched leaves out links that lead out of the share, and says so', async () => {
  await anna.ask('share', 'add', folder);
  const here = join(network.folder, 'fetched');
  await mkdir(here);

  const { code, stderr } = await bob.run('get', 'anna:tree', here);

  expect(code).toBe(0);
  expect(stderr).toMatch(/2 links .*not fetched/);
  await rm(here, { recursive: true });
});

test('this machine’s key is neither sent, shared, watched, attached nor written over, whatever is typed', async () => {
  const key = join(anna.home, 'key.pem');
  const spool = join(anna.home, 'outgoing', 'deeper');
  await mkdir(spool, { recursive: true });
  const links = join(network.folder, 'links');
  await mkdir(links);
  await symlink(anna.home, join(links, 'home'));
  const refused = [
    ['send', anna.home, '--to', 'bob'],
    ['send', join(links, 'home'), '--to', 'bob'],
    ['send', network.folder, '--to', 'bob'],
    ['send', network.folder, '--to', 'bob', '--dry-run'],
    ['send', key, '--to', 'bob'],
    ['send', spool, '--to', 'bob'],
    ['share', 'add', network.folder, '--as', 'all'],
    ['share', 'add', spool, '--as', 'spool'],
    ['watch', 'add', network.folder, '--to', 'bob'],
    ['watch', 'add', spool, '--to', 'bob'],
    ['report', '--attach', key],
    ['get', 'bob:x', anna.home],
    ['get', 'bob:x', key],
    ['get', 'bob:x', spool],
    ['get', 'bob:x', join(spool, 'new')],
  ];
  for (const args of refused) {
    const { code, stderr } = await anna.run(...args);
    expect({ args, code }).toEqual({ args, code: 6 });
    expect(stderr).toMatch(/key|manages|inbox/);
  }
});

test('a folder above the home is sent where the home is excluded', async () => {
  const { code, stdout } = await anna.run(
    ...[
      'send',
      network.folder,
      '--to',
      'bob',
      '--dry-run',
      '--exclude',
      'anna',
      '--exclude',
      'server',
      '--exclude',
      'bob',
    ],
  );
  expect(code).toBe(0);
  expect(stdout).toContain('tree/sub/f');
  expect(stdout).not.toContain('anna/key.pem');
});
