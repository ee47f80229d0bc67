import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { jsonLines, type Line } from '../support/programs.ts';
import { listOf, TestNetwork } from '../support/test-network.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });

let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
});
afterAll(() => network.close());

/** `report schedule …` of anna. */
function schedule(...args: string[]): ReturnType<TestNetwork['client']> {
  return network.client('anna', ['report', 'schedule', ...args]);
}

/** Adds a schedule that is not due for long. */
async function add(name: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await schedule('add', name, '--every', '1d', ...args);
  if (code !== 0) throw new Error(stderr);
}

/** Runs one now. */
async function run(name: string): Promise<{ code: number | null; done: Line; stderr: string }> {
  const { code, stdout, stderr } = await schedule('run', name, '--json');
  return { code, done: jsonLines({ stdout })[0] ?? {}, stderr };
}

async function listed(machine = 'anna'): Promise<Line> {
  return (await network.ask(machine, 'report', 'schedule', 'list'))[0] ?? {};
}

/** What the server has of a schedule, oldest first. */
async function reportsOf(name: string): Promise<Line[]> {
  const all = listOf(await network.askServer('reports'), 'reports');
  return all.filter((report) => report['schedule'] === name);
}

test('a command is reported when it is due, by itself, with its values', async () => {
  const every = ['--every', '1s', '--jitter', '0s', '--set', 'site=roof', '--title', 'the time'];
  const added = await schedule(
    'add',
    'tick',
    ...every,
    '--',
    'sh',
    '-c',
    'echo "$FILER_SCHEDULE of $FILER_MACHINE"',
  );
  expect(added).toMatchObject({ code: 0 });
  expect(added.stdout).toMatch(/^tick reports every 1s, next at [0-9: -]+ \(in .+\)\n$/);

  await network.daemon('anna').said('a scheduled report was made schedule=tick', 2);

  await schedule('remove', 'tick');
  const [first, second] = await reportsOf('tick');
  expect(first).toMatchObject({ kind: 'schedule', title: 'the time', values: { site: 'roof' } });
  expect(second).toBeDefined();
  expect(listOf(await listed(), 'schedules')).toEqual([]);
});

test('a command that fails is a report that says so, and an exit code', async () => {
  await add('fails', '--', 'sh', '-c', 'echo on the way; echo trouble >&2; exit 3');

  const { code, done, stderr } = await run('fails');

  expect(code).toBe(1);
  expect(done).toMatchObject({
    output: 'on the way\ntrouble\n',
    run: { exitCode: 3, signal: null, timedOut: false, droppedBytes: 0 },
    failure: 'it ended with exit 3',
    stored: true,
  });
  expect(stderr).toContain('the command of fails failed: it ended with exit 3; that is what was reported');
  expect((await reportsOf('fails')).length).toBe(1);
  const [line] = listOf(await listed(), 'schedules').filter(({ name }) => name === 'fails');
  expect(line).toMatchObject({ lastFailure: 'it ended with exit 3', running: false });
});

test.each([
  [
    'no-program',
    ['no-such-program-anywhere'],
    '"no-such-program-anywhere" could not be started: there is no such program',
  ],
  ['no-right', ['/etc/passwd'], '"/etc/passwd" could not be started: this user may not run it'],
])('a command that cannot be started is a report that says so: %s', async (name, command, why) => {
  await add(name, '--', ...command);

  const { code, done } = await run(name);

  expect(code).toBe(1);
  expect(done).toMatchObject({
    output: why,
    run: { exitCode: null, signal: null },
    failure: why,
    stored: true,
  });
});

test('a folder that is not there is no program that is not there', async () => {
  await add('no-folder', '--cwd', network.path('nowhere'), '--', 'true');

  expect((await run('no-folder')).done['output']).toMatch(/there is no folder ".*nowhere"/);
});

test('a command that takes too long is ended with all that it started, however deaf that is', async () => {
  const deaf = "trap '' TERM; while :; do sleep 1; done";
  await add('slow', '--timeout', '1s', '--', 'sh', '-c', `(${deaf}) & echo begun; sleep 100`);

  const { code, done } = await run('slow');

  expect(code).toBe(9);
  expect(done).toMatchObject({
    output: 'begun\n',
    run: { exitCode: null, signal: 'SIGTERM', timedOut: true },
    failure: 'it took longer than 1s and was ended',
  });
  expect(await leftOf('slow')).toEqual([]);
});

/** Processes of a schedule's command that live. */
async function leftOf(name: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((pid) => /^[0-9]+$/.test(pid));
  const found = pids.map(async (pid) => {
    const variables = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    return variables.includes(`FILER_SCHEDULE=${name}\0`) && variables.includes(network.folder) ? [pid] : [];
  });
  return (await Promise.all(found)).flat();
}

test('of a flood of output the last is reported, and how much is not', async () => {
  await add('flood', '--max-output', '1KiB', '--', 'sh', '-c', 'yes | head -c 50000000; echo the end');

  const { code, done } = await run('flood');

  expect(code).toBe(0);
  const output = String(done['output']);
  expect(output).toMatch(/\ny\nthe end\n$/);
  expect(Buffer.byteLength(JSON.stringify(output)) - 2).toBeLessThanOrEqual(1024);
  expect(done['run']).toMatchObject({ droppedBytes: 50_000_008 - output.length });
});

test('output that is no text, and all of 48 KiB that must be escaped, still make a report', async () => {
  await add(
    'binary',
    '--max-output',
    '48KiB',
    '--',
    'sh',
    '-c',
    "printf 'a\\377b'; head -c 100000 /dev/zero; printf '\\303\\244'",
  );

  const { code, done } = await run('binary');

  expect(code).toBe(0);
  const output = String(done['output']);
  expect(output).toMatch(/^\0{8000,8192}ä$/);
  expect(done['stored']).toBe(true);
});

test('a schedule is not made twice by one name, unless it is to be replaced', async () => {
  await add('taken', '--set', 'n=1');
  const again = await schedule('add', 'taken', '--every', '2d', '--set', 'n=2');
  expect(again.code).toBe(6);
  expect(again.stderr).toContain(
    'there is a schedule taken already: give --replace to put this one in its place',
  );

  expect(await schedule('add', 'taken', '--every', '2d', '--set', 'n=2', '--replace')).toMatchObject({
    code: 0,
  });

  const lines = listOf(await listed(), 'schedules').filter(({ name }) => name === 'taken');
  expect(lines).toMatchObject([{ every: '2d', values: { n: '2' } }]);
});

test.each([
  [['x', '--set', 'a=1'], "when? Give --every such as 10m, or --cron such as '0 18 * * *'"],
  [
    ['x', '--every', '1h', '--cron', '@daily', '--set', 'a=1'],
    '--every and --cron were given: give one of them',
  ],
  [['x', '--every', '10x', '--set', 'a=1'], '--every takes 10m, 6h, hour@:15, day@18:00 or week@mon@18:00'],
  [['x', '--cron', '61 * * * *', '--set', 'a=1'], "--cron takes a cron line such as '0 18 * * *'"],
  [['x', '--every', '1h'], 'report what? Give a command after -- such as -- df -h'],
  [
    ['x', '--every', '1h', '--attach', '[a'],
    '--attach takes a pattern of files such as \'logs/*.txt\', not "[a"',
  ],
  [['x', '--every', '1h', '--set', 'a'], '--set takes KEY=VALUE such as site=roof, not "a"'],
  [['x', '--every', '1h', '--set', 'a=1', '--set', 'a=2'], '--set gives "a" twice'],
  [['x', '--every', '1h', '--set', 'a=1', '--grace', 'soon'], '--grace takes a duration'],
  [
    ['x', '--every', '1h', '--set', 'a=1', '--timeout', '2d'],
    '--timeout takes a duration from 1s to 1d such as 5m',
  ],
  [['x', '--every', '1h', '--set', 'a=1', '--max-output', '1MiB'], '--max-output takes a size up to 48KiB'],
  [
    ['x', '--every', '1h', '--set', 'a=1', '--jitter', '2h'],
    'jitter is longer than the time from one run to the next',
  ],
  [['x', '--every', '1h', '--set', 'a=1', '--expect', 'never'], '--expect takes one of running, always'],
  [['x', '--every', '1h', '--shell', '--', 'df', '-h'], '--shell takes the command as one text'],
  [['X_Y', '--every', '1h', '--set', 'a=1'], 'NAME takes a name such as disk-space'],
])('a wrong command line is refused with a right one: %j', async (args, words) => {
  const { code, stderr } = await network.client('anna', ['report', 'schedule', 'add', ...args]);

  expect(stderr).toContain(words);
  expect(code).toBe(2);
});
