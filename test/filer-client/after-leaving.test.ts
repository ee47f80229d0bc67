import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askHere, runHere } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';

let network: NetworkHere;
let home: string;
let job: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  const [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
  await bob.sees('anna');
  const file = join(network.folder, 'x');
  await writeFile(file, 'content');
  job = String((await anna.ask('send', file, '--to', 'bob'))['job']);
  await bob.ask('send', file, '--to', 'anna');
  await bob.ask('message', 'anna', 'a text');
  await anna.ask('leave', '--yes');
  await anna.daemon.close();
  await network.stopServer();
  home = anna.home;
});

afterAll(() => network[Symbol.asyncDispose]());

const cases: [string[], object][] = [
  [['history'], { jobs: [{ state: 'done' }] }],
  [['inbox'], { items: [{ from: 'bob' }] }],
  [['messages'], { messages: [{ from: 'bob', text: 'a text' }] }],
];

test.each(cases)('%j shows what it did before the machine left', async (command, document) => {
  expect(await askHere('filer-client', home, command)).toMatchObject([document]);
});

test('a job and its receipts can be shown and verified', async () => {
  expect(await askHere('filer-client', home, ['history', job])).toMatchObject([
    { type: 'job' },
    { type: 'receipt', recipient: 'bob', signatureOk: true },
  ]);
  const verified = await askHere('filer-client', home, ['verify', job]);
  expect(verified.at(-1)).toMatchObject({ type: 'done', ok: true, exitCode: 0 });
});

test('status says that the machine has left, and ends with exit 3', async () => {
  const outcome = await runHere('filer-client', home, ['status']);
  expect(outcome.code).toBe(3);
  expect(outcome.stdout).toContain('anna) has left');
  expect(outcome.stderr).toContain('anna');
  const [status] = JSON.parse(
    `[${(await runHere('filer-client', home, ['status', '--json'])).stdout.trim().replaceAll('\n', ',')}]`,
  ) as object[];
  expect(status).toMatchObject({ name: 'anna', ended: 'left', running: false });
});

test.each([
  [['peers']],
  [['send', '/etc/hostname', '--to', 'bob']],
  [['leave', '--yes']],
  [['start']],
  [['verify', 'JOB', '--ask']],
])('%j is refused with what can still be done', async (command) => {
  const { code, stderr } = await runHere(
    'filer-client',
    home,
    command.map((word) => (word === 'JOB' ? job : word)),
  );
  expect(code).toBe(3);
  expect(stderr).toContain('`filer-client history`');
});
