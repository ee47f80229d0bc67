import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import { DaemonProcess, jsonLines, runProgram, type Line } from '../support/programs.ts';
import { listOf, TestNetwork } from '../support/test-network.ts';

// Many commands, one after the other.
let network: TestNetwork;
beforeAll(async () => {
  network = await TestNetwork.open();
});
afterAll(() => network.close());

/** The values `n` of a machine's reports at the server, oldest first. */
async function stored(name: string): Promise<unknown[]> {
  const document = await network.askServer('reports', '--peer', name);
  return listOf(document, 'reports').map((report) => (report['values'] as Line)['n']);
}

function report(name: string, n: string, ...args: string[]): Promise<Line[]> {
  return network.ask(name, 'report', `n=${n}`, ...args);
}

test('a home that is restored from an old copy has each of its reports stored once, in order', async () => {
  await network.join('anna');
  const copy = network.path('copy-of-anna');
  await report('anna', '1');
  await network.server.stop();
  await report('anna', '2');
  await cp(network.home('anna'), copy, { recursive: true });
  await report('anna', '3');
  await network.startServer();
  await report('anna', '4');
  await report('anna', '5');
  await rm(network.home('anna'), { recursive: true });
  await cp(copy, network.home('anna'), { recursive: true });

  // What waits in the copy is stored already; the next ones have numbers that the server knows, and one says the same.
  await network.server.stop();
  await report('anna', '3');
  await report('anna', 'six');
  await report('anna', 'seven');
  await network.startServer();
  await report('anna', 'eight');
  await report('anna', 'nine');

  expect(await stored('anna')).toEqual(['1', '2', '3', '4', '5', '3', 'six', 'seven', 'eight', 'nine']);
});

test('files of a restored home are those of its new report, not what once came under the same number', async () => {
  await network.join('ben');
  const file = network.path('state.txt');
  const copy = network.path('copy-of-ben');
  await report('ben', '1');
  await cp(network.home('ben'), copy, { recursive: true });
  await writeFile(file, 'before');
  await report('ben', '2', '--attach', file);
  await rm(network.home('ben'), { recursive: true });
  await cp(copy, network.home('ben'), { recursive: true });
  await writeFile(file, 'after');

  expect((await report('ben', '3', '--attach', file))[0]).toMatchObject({ stored: true });
  const reports = listOf(await network.askServer('reports', '--peer', 'ben'), 'reports');
  const out = network.path('out');
  for (const { id } of reports.slice(1)) await network.askServer('reports', 'get', String(id), '--out', out);
  expect(reports.map(({ values }) => (values as Line)['n'])).toEqual(['1', '2', '3']);
  expect(await readFile(join(out, 'state.txt'), 'utf8')).toBe('before');
  expect(await readFile(join(out, 'state (1).txt'), 'utf8')).toBe('after');
});

test('a home whose database is lost continues reporting under new numbers', async () => {
  await network.join('carol');
  await report('carol', '1');
  for (const end of ['', '-wal', '-shm'])
    await rm(join(network.home('carol'), `filer.db${end}`), { force: true });
  await report('carol', '2');

  expect(await stored('carol')).toEqual(['1', '2']);
});

test('a full spool refuses the next report with exit 11, and what waits goes when it can', async () => {
  await network.join('dora');
  const file = network.path('kilobyte');
  await writeFile(file, '');
  await truncate(file, 1_024);
  await network.server.stop();
  const env = { FILER_ATTACHMENT_SPACE: '1500B' };
  const first = await network.client('dora', ['report', 'n=1', '--attach', file, '--json'], { env });
  const second = await network.client('dora', ['report', 'n=2', '--attach', file, '--json'], { env });
  await report('dora', '3');
  await network.startServer();
  await report('dora', '4');

  expect([first.code, second.code]).toEqual([0, 11]);
  expect(jsonLines(second)).toMatchObject([{ type: 'error', code: 'spool-full', exitCode: 11 }]);
  expect(await stored('dora')).toEqual(['1', '3', '4']);
});

test('what the server refuses for good is shown, tried again and thrown away, and holds up nothing', async () => {
  await network.join('emil');
  await network.server.stop();
  await report('emil', 'bad');
  // As a program of another version might have made it.
  const database = new DatabaseSync(join(network.home('emil'), 'filer.db'));
  database.prepare('UPDATE spool SET content = ?').run(Buffer.from('{"title":"odd","values":[["n"]]}'));
  database.close();
  await report('emil', 'good');
  await network.startServer();
  const emil = await network.startAlone('emil');
  await emil.said('a report was refused for good');
  await network.drained('emil');

  expect(await stored('emil')).toEqual(['good']);
  const [status] = await network.ask('emil', 'status');
  expect(status).toMatchObject({ spool: 0, spoolRefused: 1 });
  const refused = await network.client('emil', ['report', 'spool']);
  expect(refused.stdout).toMatch(/1 .* REFUSED: /);
  const [retried] = await network.ask('emil', 'report', 'spool', 'retry', '1');
  expect(retried).toMatchObject({ seqs: [3] });
  await emil.said('a report was refused for good', 2);
  expect((await network.client('emil', ['report', 'spool', 'drop'])).code).toBe(2);
  expect((await network.client('emil', ['report', 'spool', 'drop', '1', '--yes'])).code).toBe(1);
  expect(await network.ask('emil', 'report', 'spool', 'drop', '--all', '--yes')).toMatchObject([
    { seqs: [3], refused: 0 },
  ]);
});

test('what was reported without a session goes as soon as there is one, not with the next heartbeat', async () => {
  const first = await RunningServer.start(['--report-interval', '1h']);
  const home = network.path('frida');
  await runProgram('filer-client', ['join', '-', '--name', 'frida'], home, { input: await first.invite() });
  const daemon = await DaemonProcess.start('filer-client', ['--listen', '127.0.0.1:0'], home);
  await daemon.said('connected to the ip-server');
  await first.stop('SIGKILL');
  await daemon.said('no session with the ip-server');
  const waiting = await runProgram('filer-client', ['report', 'n=1', '--json'], home);
  await using again = await first.again(['--report-interval', '1h']);
  await daemon.said('connected to the ip-server', 2);
  for (;;) if ((await again.reports()).length > 0) break;

  expect(jsonLines(waiting)).toMatchObject([{ stored: false, spooled: 1 }]);
  expect(await again.reports()).toMatchObject([{ values: { n: '1' } }]);
  await daemon.stop();
});
