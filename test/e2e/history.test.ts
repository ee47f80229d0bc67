import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import {
  dial,
  formatHolding,
  formatHoldingFile,
  parseHeld,
  parseHostPort,
  sayHello,
  Session,
  unauthenticatedMessenger,
} from '@filer/protocol';
import { FileDigests } from '@filer/transfer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jsonLines, type Line } from '../support/programs.ts';
import { helloOf, TestMember } from '../support/test-member.ts';
import { listOf, TestNetwork } from '../support/test-network.ts';

const run = promisify(execFile);

const ODD_NAME = 'a "b", c\\d\ne.txt';

/** anna has sent a folder with an odd name in it to bob and carol. */
let network: TestNetwork;
let tree: string;
let job: string;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna', 'bob', 'carol'] });
  await network.seesAs('anna', 'bob', 'online');
  await network.seesAs('anna', 'carol', 'online');
  tree = network.path('tree');
  await mkdir(tree);
  for (const name of ['one.txt', 'two.txt', ODD_NAME])
    await writeFile(join(tree, name), `content of ${name}`);
  const lines = await network.ask('anna', 'send', tree, '--to', 'bob,carol', '--note', 'the tree');
  job = String(lines[0]?.['job']);
});
afterAll(() => network.close());

async function ask(...args: string[]): Promise<{ code: number | null; lines: Line[]; done: Line }> {
  const outcome = await network.client('anna', [...args, '--json']);
  const lines = jsonLines(outcome);
  return { code: outcome.code, lines, done: lines.at(-1) ?? {} };
}

async function blake3(file: string): Promise<string> {
  const digests = new FileDigests();
  digests.update(await readFile(file));
  return digests.finish().digest;
}

test('history lists jobs, and tells of one all that was signed', async () => {
  const [all] = await network.ask('anna', 'history', '--since', '1h', '--limit', '5');
  expect(listOf(all, 'jobs')).toMatchObject([
    { job, state: 'done', note: 'the tree', paths: [tree], to: ['bob', 'carol'] },
  ]);
  const lines = await network.ask('anna', 'history', job.slice(0, 6));
  expect(lines[0]).toMatchObject({ type: 'job', job });
  const receipts = lines.filter(({ type }) => type === 'receipt');
  expect(receipts).toHaveLength(6);
  expect(receipts.find(({ path }) => path === join(tree, 'one.txt'))).toMatchObject({
    receivedAs: 'anna/tree/one.txt',
    size: 18,
    digest: await blake3(join(tree, 'one.txt')),
    signatureOk: true,
  });
});

test('lists of sums are what b3sum and sha256sum check, odd names and all', async () => {
  const { stdout } = await network.client('anna', ['history', job, '--export', 'b3sum']);
  const escaped = join(tree, ODD_NAME).replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  const digest = (await blake3(join(tree, ODD_NAME))).slice('blake3:'.length);
  expect(stdout.split('\n')).toContain(`\\${digest}  ${escaped}`);
  expect(stdout.trimEnd().split('\n')).toHaveLength(3);

  const theirs = await network.client('anna', [
    'history',
    job,
    '--export',
    'sha256sum',
    '--recipient',
    'bob',
  ]);
  expect([theirs.code, theirs.stderr]).toEqual([0, '']);
  const list = network.path('sums');
  await writeFile(list, theirs.stdout);
  const checked = await run('sha256sum', ['--check', '--strict', list], { cwd: network.inbox('bob') });
  expect(checked.stdout.match(/: OK$/gm)).toHaveLength(3);
});

test('a file that has changed here is left out of a sha256sum list, which says so', async () => {
  await writeFile(join(tree, 'two.txt'), 'something else');
  const { code, stdout, stderr } = await network.client('anna', ['history', job, '--export', 'sha256sum']);
  expect(code).toBe(8);
  expect(stdout).not.toContain('two.txt');
  expect(stderr).toMatch(/two\.txt is left out: it has changed since it was sent/);
});

test('csv quotes what needs it', async () => {
  const { stdout } = await network.client('anna', [
    'history',
    job,
    '--export',
    'csv',
    '--recipient',
    'carol',
  ]);
  expect(stdout.split('\r\n')[0]).toBe(
    'job,recipient,recipientId,path,receivedAs,size,digest,synced,present,time,signatureOk',
  );
  expect(stdout).toContain(`,"${join(tree, ODD_NAME).replaceAll('"', '""')}",`);
});

test('verify --ask finds a file that a recipient changed, and one that it deleted', async () => {
  expect(await ask('verify', job, '--ask')).toMatchObject({ code: 0, done: { ok: true, asked: true } });
  await writeFile(network.inbox('bob', 'anna', 'tree', 'one.txt'), 'CONTENT of one.txt');
  await rm(network.inbox('bob', 'anna', 'tree', 'two.txt'));

  const { code, lines, done } = await ask('verify', job, '--ask');
  expect(code).toBe(7);
  expect(
    lines.filter(({ type }) => type === 'trouble').map((line) => [line['path'], line['problem']]),
  ).toEqual(
    expect.arrayContaining([
      [join(tree, 'one.txt'), 'changed'],
      [join(tree, 'two.txt'), 'gone'],
    ]),
  );
  expect(listOf(done, 'recipients')).toMatchObject([
    {
      name: 'bob',
      ok: false,
      code: 'verification-failed',
      held: { same: 1, changed: 1, gone: 1, unknown: 0 },
    },
    { name: 'carol', ok: true, held: { same: 3 } },
  ]);
  expect(await ask('verify', job)).toMatchObject({ code: 0, done: { asked: false } });
});

test('who asks about what another one delivered, or about other files, learns nothing', async () => {
  const link = await network.invite();
  const stranger = await TestMember.join(link.trim(), 'mallory');
  const { host, port } = parseHostPort(network.daemon('carol').listen);
  const dialled = await dial({
    transport: 'tls',
    host,
    port,
    identity: stranger.identity,
    expect: network.daemon('carol').id,
  });
  const messenger = unauthenticatedMessenger(dialled);
  const { membership } = stranger;
  await sayHello(messenger, helloOf(stranger.network, { role: 'command', membership }));
  const session = new Session(messenger);
  const digest = await blake3(join(tree, 'one.txt'));
  const paths = ['anna/tree/one.txt', '../filer.db', join(network.home('carol'), 'filer.db'), ''];
  const question = formatHolding(paths.map((path) => formatHoldingFile({ path, digest })));

  const [first, second] = await Promise.allSettled([session.ask(question), session.ask(question)]);
  if (first.status === 'rejected') throw first.reason;
  expect(parseHeld(first.value)).toEqual(['unknown', 'unknown', 'unknown', 'unknown']);
  expect(second).toMatchObject({ status: 'rejected', reason: { code: 'rate-limited' } });
  await session.close();
});

test('a recipient that does not answer leaves verify --ask with exit 8, and all of them with exit 5', async () => {
  await network.daemon('carol').stop('SIGTERM');
  const { code, done } = await ask('verify', job, '--ask');
  expect(code).toBe(7); // what bob changed weighs more
  expect(listOf(done, 'recipients')[1]).toMatchObject({ name: 'carol', code: 'peer-unreachable' });
  await network.daemon('bob').stop('SIGTERM');
  expect((await ask('verify', job, '--ask')).code).toBe(5);
  await network.start('carol');
  await network.finds('anna', 'carol');
  expect((await ask('verify', job, '--ask')).code).toBe(8);
});

test('a receipt that was changed in the database is found without asking anyone', async () => {
  const database = new DatabaseSync(join(network.home('anna'), 'filer.db'));
  database
    .prepare("UPDATE receipts SET document = replace(document, 'one.txt', 'won.txt') WHERE peer = ?")
    .run(network.daemon('bob').id);
  database.close();

  const { code, lines, done } = await ask('verify', job);
  expect(code).toBe(7);
  expect(lines.filter(({ problem }) => problem === 'signature').length).toBeGreaterThan(0);
  expect(listOf(done, 'recipients')).toMatchObject([
    { name: 'bob', ok: false, code: 'signature-invalid' },
    { name: 'carol', ok: true },
  ]);
  const list = await network.client('anna', ['history', job, '--export', 'b3sum', '--recipient', 'bob']);
  expect([list.code, list.stdout]).toEqual([8, '']);
  expect(list.stderr).toMatch(/is left out: it is not the signed content/);
});

test.each(['history', 'retry', 'cancel', 'verify'])(
  '%s names what is near to a wrong id, or says where ids are',
  async (name) => {
    const near = await network.client('anna', [name, `${job.slice(0, -1)}!`]);
    expect([near.code, near.stderr]).toEqual([1, expect.stringContaining(`did you mean ${job}?`)]);
    const wrong = await network.client('anna', [name, 'nonsense']);
    expect([wrong.code, wrong.stderr]).toEqual([
      1,
      expect.stringContaining('`filer-client history` shows them'),
    ]);
  },
);

test('a daemon forgets jobs and their receipts when their time is over, and keeps what waits', async () => {
  await network.daemon('carol').stop('SIGTERM');
  await network.seesAs('anna', 'carol', 'stopped');
  const queued = await ask('send', join(tree, 'one.txt'), '--to', 'carol', '--queue');
  expect(queued.code).toBe(0);
  await network.daemon('anna').stop('SIGTERM');
  await network.start('anna', '--history-keep', '1ms');

  const { done } = await ask('history');
  expect(listOf(done, 'jobs')).toMatchObject([{ job: queued.done['job'], state: 'queued' }]);
  expect((await ask('history', job)).code).toBe(1);
});
