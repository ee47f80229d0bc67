import { mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../support/in-process.ts';
import { jsonLines, type Line } from '../support/programs.ts';
import { listOf, TestNetwork } from '../support/test-network.ts';

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

/** The same once so many have come: a report that was made is in the spool before it is at the server. */
function comeOf(name: string, least: number): Promise<Line[]> {
  return until(
    () => reportsOf(name),
    (reports) => reports.length >= least,
  );
}

/** How many reports of a machine are not at the server yet. */
async function spooledAt(machine: string): Promise<number> {
  const [spool] = await network.ask(machine, 'report', 'spool');
  return listOf(spool, 'reports').length;
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

  await schedule('remove', 'tick', '--yes');
  const [first] = await comeOf('tick', 2);
  expect(first).toMatchObject({ kind: 'schedule', title: 'the time', values: { site: 'roof' } });
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
  expect(stderr).toMatch(/\bfails\b.* exit 3/);
  expect((await reportsOf('fails')).length).toBe(1);
  const [line] = listOf(await listed(), 'schedules').filter(({ name }) => name === 'fails');
  expect(line).toMatchObject({ lastFailure: 'it ended with exit 3', running: false });
});

test.each([
  [
    'no-program',
    ['no-such-program-anywhere'],
    '"no-such-program-anywhere" could not be started: there is no such program, or not the interpreter that its first line names',
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

  expect((await run('no-folder')).done['output']).toMatch(/in the folder ".*nowhere": it does not exist/);
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

test('files are found again each time, and what is left out is named', async () => {
  const folder = network.path('logs [a]');
  await mkdir(folder);
  await writeFile(join(folder, 'b.log'), 'b');
  await writeFile(join(folder, 'a.log'), 'aa');
  await writeFile(join(folder, 'c.txt'), 'c');
  const { code } = await network.client(
    'anna',
    [
      'report',
      'schedule',
      'add',
      'logs',
      '--every',
      '1d',
      '--attach',
      '*.log',
      '--attach',
      'none.*',
      '--',
      'sh',
      '-c',
      `echo ccc > '${folder}/c.log'`,
    ],
    { cwd: folder },
  );
  expect(code).toBe(0);

  const { done } = await run('logs');

  expect(listOf(done, 'attachments').map(({ name, size }) => [name, size])).toEqual([
    ['a.log', 2],
    ['b.log', 1],
    ['c.log', 4],
  ]);
  expect(done['values']).toEqual({
    'attachments-note': expect.stringMatching(/^no file fits .*none\.\*$/) as string,
  });
  const [report] = await reportsOf('logs');
  expect(listOf(report, 'attachments').length).toBe(3);
});

test('more files than a report takes, and one that is too large, are left out and counted', async () => {
  const folder = network.path('many');
  await mkdir(folder);
  for (let n = 100; n < 203; n++) await writeFile(join(folder, `f${n}`), '');
  await writeFile(join(folder, 'a-large'), '');
  await truncate(join(folder, 'a-large'), 64 * 1024 * 1024 + 1);
  await add('many', '--cwd', folder, '--attach', '*');

  const { code, done } = await run('many');

  expect(code).toBe(0);
  expect(listOf(done, 'attachments').length).toBe(100);
  expect(String((done['values'] as Line)['attachments-note'])).toMatch(
    /^left out 4 of 104 files: a-large \(67\.1 MB, the limit is 67\.1 MB\), f200 \(a report has 100 at most\)/,
  );
});

test('a schedule is not made twice by one name, unless it is to be replaced', async () => {
  await add('taken', '--set', 'n=1');
  const again = await schedule('add', 'taken', '--every', '2d', '--set', 'n=2');
  expect(again.code).toBe(6);
  expect(again.stderr).toMatch(/\btaken\b.*--replace/);

  expect(await schedule('add', 'taken', '--every', '2d', '--set', 'n=2', '--replace')).toMatchObject({
    code: 0,
  });

  const lines = listOf(await listed(), 'schedules').filter(({ name }) => name === 'taken');
  expect(lines).toMatchObject([{ every: '2d', values: { n: '2' } }]);
});

/** A machine with a schedule that begins at once, and a command that writes who it is and then waits. */
async function machineWithLongRun(name: string, child: string): Promise<void> {
  await network.join(name);
  const begun = network.path(`${name}-begun`);
  const first = `[ ! -e '${begun}' ]`;
  const command = `if ${first}; then (${child} &); echo >> '${begun}'; sleep 1000; fi; echo >> '${begun}'; echo done`;
  const args = ['report', 'schedule', 'add', `long-${name}`, '--every', '1s', '--timeout', '1h', '--shell'];
  expect(await network.client(name, [...args, '--', command])).toMatchObject({ code: 0 });
  await network.start(name);
  await fileHas(begun, 1);
}

async function fileHas(path: string, lines: number): Promise<void> {
  while ((await readFile(path, 'utf8').catch(() => '')).length < lines)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Each report that a machine says it made is at the server or in its spool, once; the stop may come before the last is told. */
async function madeOnce(name: string): Promise<void> {
  const told = network.daemon(name).count('a scheduled report was made');
  const reports = (await reportsOf(`long-${name}`)).length + (await spooledAt(name));
  expect([told, told + 1]).toContain(reports);
}

test('a daemon that is killed leaves no command behind forever, and the run is made up once', async () => {
  await machineWithLongRun('bob', 'setsid sleep 1000');
  await network.daemon('bob').stop('SIGKILL');
  expect((await leftOf('long-bob')).length).toBeGreaterThan(1);

  await network.start('bob');
  await network.daemon('bob').said('commands of schedules that a killed daemon left running were ended');
  await network.daemon('bob').said('a scheduled report was made schedule=long-bob');
  await network.client('bob', ['report', 'schedule', 'remove', 'long-bob', '--yes']);
  await comeOf('long-bob', 1);

  await network.daemon('bob').stop();
  expect(await leftOf('long-bob')).toEqual([]);
  await madeOnce('bob');
});

test('a daemon that stops ends its commands, and makes the run up when it starts again', async () => {
  await machineWithLongRun('carol', 'sleep 1000');
  await network.daemon('carol').stop();
  expect(await leftOf('long-carol')).toEqual([]);
  expect(await reportsOf('long-carol')).toEqual([]);

  await network.start('carol');
  await network.daemon('carol').said('a scheduled report was made schedule=long-carol');
  await network.client('carol', ['report', 'schedule', 'remove', 'long-carol', '--yes']);
  await comeOf('long-carol', 1);

  await network.daemon('carol').stop();
  await madeOnce('carol');
});

test('without a daemon schedules are kept and can be run; the next daemon continues with them', async () => {
  await network.join('dave');
  const dave = (...args: string[]): ReturnType<TestNetwork['client']> =>
    network.client('dave', ['report', 'schedule', ...args]);
  const added = await dave('add', 'load', '--cron', '0 18 * * *', '--', 'cat', '/proc/loadavg');
  expect(added.stderr).toMatch(
    /^The command runs in .*\nThe schedule does not run yet: it starts with `filer-client start` here\.\n$/,
  );
  expect((await stat(join(network.home('dave'), 'schedules.toml'))).mode & 0o777).toBe(0o600);

  const ran = await dave('run', 'load');
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(ran.stdout).toMatch(/^[0-9.]+ .*\nexit 0 after .*\nreported: the ip-server has it on disk\n$/);
  expect(await dave('run', 'lod')).toMatchObject({
    code: 1,
    stderr: 'filer-client: there is no schedule "lod": `filer-client report schedule list` shows them\n',
  });

  const [status] = await network.ask('dave', 'status');
  expect(status).toMatchObject({ schedules: 1, nextReport: { name: 'load' } });
  await network.start('dave');
  expect(listOf(await listed('dave'), 'schedules')).toMatchObject([{ name: 'load', cron: '0 18 * * *' }]);
  await network.daemon('dave').stop();
});

test('a schedule written by hand is taken up by the running daemon, and a mistake beside it is named', async () => {
  await network.add('erin');
  await writeFile(
    join(network.home('erin'), 'schedules.toml'),
    '# by hand\n[[schedule]]\nname = "bad"\nevery = "soon"\n\n[[schedule]]\nname = "hand"\nevery = "1s"\nset = { a = "1" }\n',
  );

  const { code, stdout, stderr } = await network.client('erin', ['report', 'schedule', 'list']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^NAME +WHEN +NEXT +LAST +REPORTS\nhand +1s .* a=1\n$/);
  expect(stderr).toMatch(/schedules\.toml.*"bad".* every /);
  await network.daemon('erin').said('a scheduled report was made schedule=hand');
  expect(network.daemon('erin').stderr).toContain('a schedule cannot be used');
  expect(await network.client('erin', ['report', 'schedule', 'remove', 'hand', '--yes'])).toMatchObject({
    code: 0,
  });
  expect(await readFile(join(network.home('erin'), 'schedules.toml'), 'utf8')).toBe(
    '# by hand\n[[schedule]]\nname = "bad"\nevery = "soon"\n\n',
  );
});
