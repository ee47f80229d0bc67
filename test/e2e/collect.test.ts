import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commands } from '../../apps/ip-server/src/cli/commands.ts';
import { run as runHere, type Ran } from '../program/run.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { jsonLines, type Line } from '../support/programs.ts';
import { Terminal } from '../support/terminal.ts';
import { filesBelow, listOf, sha256, TestNetwork, writeRandomFile } from '../support/test-network.ts';

/** anna, bob and carol are in the lab and share results; dave is in it and shares nothing; erin is in no group. */
let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open();
  await Promise.all(['anna', 'bob', 'carol', 'dave'].map((name) => network.join(name, '--group', 'lab')));
  await network.join('erin');
  await Promise.all(['anna', 'bob', 'dave', 'erin'].map((name) => network.start(name)));
  for (const name of ['anna', 'bob', 'carol']) {
    const folder = network.path(`${name}-results`);
    await mkdir(join(folder, 'deep', 'empty'), { recursive: true });
    await writeFile(join(folder, 'a.csv'), `1,2,${name}\n`);
    await writeFile(join(folder, '.hidden'), 'dot');
    await writeRandomFile(join(folder, 'deep', 'large.bin'), 3_000_000);
    await network.ask(name, 'share', 'add', folder, '--as', 'results', '--server');
  }
});
afterAll(() => network.close());

async function add(name: string, ...args: string[]): Promise<Line> {
  return await network.askServer('collect', 'add', name, '--every', 'day@03:00', ...args);
}

/** A command of the server inside this process: it costs less than one of its own. */
function here(...argv: string[]): Promise<Ran> {
  const env = { IP_SERVER_HOME: network.serverHome };
  return runHere(commands, argv, { program: 'ip-server', env });
}

/** Runs a collect to its end. @returns its lines, and how it exited */
async function run(name: string): Promise<{ code: number | null; done: Line; lines: Line[] }> {
  const outcome = await network.ofServer(['collect', 'run', name, '--json']);
  const lines = jsonLines(outcome);
  return { code: outcome.code, done: lines.at(-1) ?? {}, lines };
}

async function ledger(name: string, ...args: string[]): Promise<Line> {
  const outcome = await here('collect', 'show', name, ...args, '--json');
  if (outcome.exitCode !== 0) throw new Error(outcome.stderr);
  return jsonLines(outcome)[0] ?? {};
}

/** The ledger's line of one machine. */
async function machine(collect: string, name: string, ...args: string[]): Promise<Line> {
  const lines = listOf(await ledger(collect, ...args), 'machines');
  return lines.find((line) => line['name'] === name) ?? {};
}

/** Asks for the ledger until a machine's line fits. */
function comesTo(collect: string, name: string, state: string): Promise<Line> {
  return until(
    () => machine(collect, name),
    (line) => {
      if (line['state'] === undefined) throw new Error(`${name} is not in the ledger`);
      return line['state'] === state;
    },
  );
}

/** The digests of all files below a folder, by path. */
async function tree(folder: string): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const path of await filesBelow(folder)) digests[path] = await sha256(join(folder, path));
  return digests;
}

describe('a group of which one is offline and one shares nothing', () => {
  test('the run ends with what it got, exit 8', async () => {
    await add('results', '--from', '@lab', '--path', 'results/**', '--grace', '1s');
    const { code, done } = await run('results');
    expect(code).toBe(8);
    // On a busy machine the others, too, deliver after the grace of one second.
    expect(done).toMatchObject({ type: 'done', ok: false, exitCode: 8, expected: 4 });
  });

  test('who is there delivers into a folder of its own, every file as it is', async () => {
    for (const name of ['anna', 'bob']) {
      const line = await comesTo('results', name, 'delivered');
      expect(line).toMatchObject({ files: 3, code: null, online: true });
      expect(line['folder']).toMatch(/collected\/results\/(anna|bob)\/[0-9]{4}-[0-9]{2}-[0-9]{2}$/);
      expect(await tree(join(String(line['folder']), 'results'))).toEqual(
        await tree(network.path(`${name}-results`)),
      );
    }
    const all = await filesBelow(join(network.serverHome, 'collected'));
    expect(all.filter((path) => path.includes('.filer-part-'))).toEqual([]);
    expect(all.some((path) => path.includes('erin'))).toBe(false);
  });

  test('who shares nothing is told apart, with what to type', async () => {
    const line = await comesTo('results', 'dave', 'failed');
    expect(line).toMatchObject({ code: 'path-missing', files: 0 });
    expect(line['reason']).toContain('filer-client share add DIR --as NAME --server');
  });

  test('who is away is late, listed first, and delivers when it is back', async () => {
    expect(await comesTo('results', 'carol', 'late')).toMatchObject({ late: true, online: false });
    const { stdout } = await network.ofServer(['collect']);
    expect(stdout).toMatch(/results .*1 late, 1 failed, 2 of 4 delivered/);
    const shown = await network.ofServer(['collect', 'show', 'results']);
    expect(shown.stdout.indexOf('LATE, offline')).toBeGreaterThan(0);
    expect(shown.stdout.indexOf('LATE')).toBeLessThan(shown.stdout.search(/delivered +/));

    await network.start('carol');
    const line = await comesTo('results', 'carol', 'delivered');
    expect(line).toMatchObject({ late: true, files: 3 });
    expect(await tree(join(String(line['folder']), 'results'))).toEqual(
      await tree(network.path('carol-results')),
    );
    await network.daemon('carol').said('delivered to the ip-server');
    const [history] = await network.ask('carol', 'history');
    expect(JSON.stringify(history)).toContain('ip-server');
  });

  test('who begins to share delivers without being asked for by a person', async () => {
    await mkdir(network.path('dave-results'));
    await network.ask('dave', 'share', 'add', network.path('dave-results'), '--as', 'results', '--server');
    const line = await comesTo('results', 'dave', 'delivered');
    expect(line).toMatchObject({ files: 0, bytes: 0, code: null, reason: null });
  });

  test('a second run that day has folders of its own, and makes missing who had not delivered', async () => {
    await network.daemon('carol').stop();
    const first = String((await run('results')).done['run']);
    await comesTo('results', 'anna', 'delivered');
    await writeFile(network.path('anna-results/a.csv'), 'changed\n');
    const second = String((await run('results')).done['run']);
    await comesTo('results', 'anna', 'delivered');
    expect(first).toMatch(/T[0-9]{2}-[0-9]{2}/);
    expect(second).not.toBe(first);
    const [before, after] = [
      await machine('results', 'anna', '--run', first),
      await machine('results', 'anna'),
    ];
    expect(await readFile(join(String(before['folder']), 'results/a.csv'), 'utf8')).toBe('1,2,anna\n');
    expect(await readFile(join(String(after['folder']), 'results/a.csv'), 'utf8')).toBe('changed\n');
    expect(await machine('results', 'carol', '--run', first)).toMatchObject({ state: 'missing', late: true });
    expect(
      listOf(await ledger('results'), 'runs')
        .map(({ run }) => run)
        .slice(0, 2),
    ).toEqual([second, first]);

    await network.start('carol');
    await comesTo('results', 'carol', 'delivered');
    expect(await machine('results', 'carol', '--run', first)).toMatchObject({ state: 'missing' });
  });
});

test('only what the pattern fits comes, of what is shared with the server and not kept back', async () => {
  const folder = network.path('picked');
  await mkdir(join(folder, 'x', 'y'), { recursive: true });
  for (const path of ['a.csv', 'a.txt', 'x/b.csv', 'x/y/c.csv', 'x/y/secret.csv'])
    await writeFile(join(folder, path), path);
  await writeFile(join(folder, '.filerignore'), 'secret.csv\n');
  await symlink('/etc/hostname', join(folder, 'out.csv'));
  await network.ask('erin', 'share', 'add', folder, '--as', 'picked', '--server');
  await network.ask('erin', 'share', 'add', network.path('anna-results'), '--as', 'private');
  await add('picked', '--from', 'erin', '--path', 'picked/**/*.csv', '--path', 'private/**');
  const { code, lines } = await run('picked');
  const last = lines.findLast(({ type }) => type === 'machine');
  // The link leads out of the share: it stays there, and is told.
  expect([code, last?.['filesFailed']]).toEqual([8, 1]);
  expect(last?.['failures']).toMatchObject([{ name: 'picked/out.csv', code: 'name-refused' }]);
  expect(await filesBelow(String(last?.['folder']))).toEqual([
    'picked/a.csv',
    'picked/x/b.csv',
    'picked/x/y/c.csv',
  ]);

  await rm(join(folder, 'out.csv'));
  const mended = await run('picked');
  expect([mended.code, mended.done['files']]).toEqual([0, 3]);
  expect(await machine('picked', 'erin')).toMatchObject({ state: 'delivered', late: false });
});

test('a machine keeps its place when it is renamed, and never gets the folder of another', async () => {
  await add('named', '--from', 'bob,erin', '--path', 'results/*');
  expect((await run('named')).code).toBe(8);
  expect((await network.ofServer(['rename', 'bob', 'robert'])).code).toBe(0);
  expect((await network.ofServer(['rename', 'erin', 'bob'])).code).toBe(0);
  await network.ask('erin', 'share', 'remove', 'picked', '--yes');
  await network.ask('erin', 'share', 'add', network.path('picked'), '--as', 'results', '--server');
  expect((await run('named')).done).toMatchObject({ ok: true, delivered: 2 });
  expect((await machine('named', 'robert'))['folder']).toContain('/named/robert/');
  expect((await machine('named', 'bob'))['folder']).toMatch(/\/named\/bob\.[a-z2-7]{8}\//);
  expect((await ledger('named'))['collect']).toMatchObject({ from: ['robert', 'bob'] });
});

test('a run of no one says so', async () => {
  await network.invite('--group', 'empty');
  await add('nobody', '--from', '@empty', '--path', 'x/**');
  const { code, done } = await run('nobody');
  expect([code, done['expected']]).toEqual([4, 0]);
});

test.each([
  [['a b', '--from', '@all', '--path', 'x/**', '--every', '1h'], 2, '<name> takes a name'],
  [['x', '--from', '@all', '--path', 'x/**'], 2, 'by one of --every and --cron'],
  [
    ['x', '--from', '@all', '--path', 'x/**', '--every', '1h', '--cron', '* * * * *'],
    2,
    'by one of --every and --cron',
  ],
  [['x', '--from', '@all', '--path', 'x/**', '--every', 'noon'], 2, '--every takes 10m, 6h'],
  [['x', '--from', '@all', '--path', 'x/**', '--every', '2s'], 2, '--every 2s is too often'],
  [
    ['x', '--from', '@all', '--path', 'x/**', '--cron', 'noon'],
    2,
    "--cron takes a cron line such as '0 18 * * *'",
  ],
  [
    ['x', '--from', '@all', '--path', 'x', '--every', '1h'],
    2,
    "--path takes a pattern over SHARE/path/below such as 'results/**'",
  ],
  [['x', '--from', '@all', '--path', '../x', '--every', '1h'], 2, '--path takes'],
  [['x', '--path', 'x/**', '--every', '1h'], 2, '--from is missing'],
  [['x', '--from', 'A B', '--path', 'x/**', '--every', '1h'], 2, '--from takes @group'],
  [['x', '--from', '@labb', '--path', 'x/**', '--every', '1h'], 4, 'did you mean @lab?'],
  [['x', '--from', 'anne', '--path', 'x/**', '--every', '1h'], 4, 'did you mean anna?'],
  [
    ['x', '--from', '@all', '--path', 'x/**', '--every', '1h', '--grace', 'soon'],
    2,
    '--grace takes a duration',
  ],
  [
    ['x', '--from', '@all', '--path', 'x/**', '--every', '1h', '--to', '/proc/x'],
    2,
    '--to /proc/x: ip-server cannot write there',
  ],
  [['results', '--from', '@all', '--path', 'x/**', '--every', '1h'], 6, 'there is a collect results already'],
])('collect add %j is refused in a sentence', async (args, code, words) => {
  const outcome = await here('collect', 'add', ...args);
  expect(outcome).toMatchObject({ exitCode: code, stdout: '' });
  expect(outcome.stderr).toContain(words);
});

test('two collects have no folder together', async () => {
  const { folder } = await ledger('results').then(({ collect }) => collect as { folder: string });
  const outcome = await network.ofServer([
    'collect',
    'add',
    'x',
    '--from',
    '@all',
    '--path',
    'x/**',
    '--every',
    '1h',
    '--to',
    join(folder, 'x'),
  ]);
  expect([outcome.code, outcome.stderr]).toEqual([
    2,
    expect.stringContaining('give each a folder of its own'),
  ]);
});

test.each([
  [['show', 'resul'], 1, 'did you mean results?'],
  [['show', 'results', '--run', '1999-01-01'], 1, 'has no run "1999-01-01"'],
  [['run', 'nothing'], 1, 'there is no collect "nothing"'],
  [['remove', 'nothing', '--yes'], 1, 'there is no collect "nothing"'],
])('collect %j is refused in a sentence', async (args, code, words) => {
  const outcome = await here('collect', ...args);
  expect([outcome.exitCode, outcome.stderr]).toEqual([code, expect.stringContaining(words)]);
});

test('when the folder is gone nothing is made in its place, and the run continues when it is back', async () => {
  const folder = network.path('disk');
  await add('disk', '--from', 'anna', '--path', 'results/*.csv', '--to', folder);
  await rename(folder, `${folder}-away`);
  const { code, lines } = await run('disk');
  expect(code).toBe(1);
  expect(lines.findLast(({ type }) => type === 'machine')).toMatchObject({
    state: 'failed',
    code: 'home-not-writable',
  });
  expect(await filesBelow(folder)).toEqual([]);
  await rename(`${folder}-away`, folder);
  await comesTo('disk', 'anna', 'delivered');
});

test.skipIf(needs('python3'))(
  'in a terminal a run has a line of progress for each machine, and ends with a table of who delivered',
  async () => {
    const bin = fileURLToPath(new URL('../../apps/ip-server/bin/ip-server.js', import.meta.url));
    await add('all', '--from', '@lab', '--path', 'results/**');
    const command = [process.execPath, bin, 'collect', 'run', 'all'];
    const terminal = new Terminal(command, { IP_SERVER_HOME: network.serverHome, NO_COLOR: '1' });
    await terminal.shows('4 machines asked');
    await terminal.shows('MACHINE');
    await terminal.shows('4 of 4 machines delivered 9 files');
    expect(await terminal.ended()).toBe(0);
  },
);

test('what is watched is told again at each change', async () => {
  const watching = network.followServer(['collect', '--watch', '--json']);
  const lastRun = (line: Line): unknown => {
    const all = listOf(line, 'collects').find(({ name }) => name === 'all');
    return (all?.['lastRun'] as Line | undefined)?.['run'];
  };
  const before = lastRun(await watching.line(() => true));
  await run('all');
  const after = String((await ledger('all').then(({ run: newest }) => newest as Line))['run']);
  expect(after).not.toBe(before);
  await watching.line((line) => lastRun(line) === after);
  await watching.stop('SIGINT');
  expect(watching.stderr).not.toContain('Error');
});

test('what is removed is no longer collected, and its files stay', async () => {
  const removed = await network.askServer('collect', 'remove', 'named', '--yes');
  expect(removed).toMatchObject({ name: 'named' });
  expect((await filesBelow(String(removed['folder']))).length).toBeGreaterThan(0);
  expect((await network.ofServer(['collect', 'run', 'named'])).code).toBe(1);
});

test('while the server is stopped the ledger is read all the same, and a run that was due is made up once', async () => {
  await network.server.stop();
  const stopped = await network.askServer('collect', 'show', 'all');
  expect(stopped).toMatchObject({ running: false, run: { delivered: 4 } });
  expect((await network.ofServer(['collect'])).stdout).toContain('ip-server is stopped');
  expect((await network.ofServer(['collect', 'run', 'results'])).code).toBe(12);
  await add('while-stopped', '--from', 'anna', '--path', 'results/*.csv');
  await dueSince('while-stopped', 3 * 24 * 3_600_000);

  await network.startServer();
  await comesTo('while-stopped', 'anna', 'delivered');
  const document = await ledger('while-stopped');
  expect(listOf(document, 'runs')).toHaveLength(1);
  expect(document['run']).toMatchObject({ dueAt: expect.any(String) });
  expect(Date.parse(String((document['collect'] as Line)['nextAt']))).toBeGreaterThan(Date.now());
});

/** As if the server had been stopped for as long. */
async function dueSince(collect: string, ms: number): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(join(network.serverHome, 'ip-server.db'));
  database.prepare('UPDATE collects SET next_at = ? WHERE name = ?').run(Date.now() - ms, collect);
  database.close();
}
