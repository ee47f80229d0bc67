import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askHere, until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

/** At 1 MB/s this takes as long as it needs to be stopped half-way. */
const CONTENT = Buffer.alloc(1_500_000, 'content ');

let network: NetworkHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  bob = await network.add('bob');
});

afterAll(() => network[Symbol.asyncDispose]());

/** A machine whose daemon is stopped while it runs a command. @returns the command's outcome, and the machine's home */
async function stoppedDuring(name: string, command: (file: string) => string[]) {
  const machine = await network.add(name);
  await machine.sees('bob');
  const file = join(network.folder, `of-${name}`);
  await writeFile(file, CONTENT);
  const outcome = machine.run(...command(file));
  await until(
    () => machine.ask('transfers'),
    (now) => JSON.stringify(now).includes('"bytesPerSecond"'),
  );
  await machine.daemon.close();
  return { home: machine.home, outcome: await outcome };
}

async function jobs(home: string) {
  const [{ jobs: all } = {}] = await askHere('filer-client', home, ['history']);
  return all as { job: string; state: string; recipients: { status: string }[] }[];
}

test('a transfer without --queue whose daemon was stopped continues with the next daemon', async () => {
  const { home, outcome } = await stoppedDuring('anna', (file) => [
    'send',
    file,
    '--to',
    'bob',
    '--limit',
    '1MB/s',
  ]);
  const [stopped] = await jobs(home);
  expect(stopped?.state).toBe('interrupted');
  expect(outcome.stderr).toContain(`filer-client retry ${stopped?.job}`);
  expect(stopped?.recipients[0]?.status).toContain(`filer-client retry ${stopped?.job}`);

  await network.start(home);
  await until(
    () => jobs(home),
    ([job]) => job?.state === 'done',
  );
  expect(await readFile(join(bob.home, 'inbox', 'anna', 'of-anna'))).toEqual(CONTENT);
}, 20_000);

test('a job that was cancelled while no daemon ran does not continue', async () => {
  const { home } = await stoppedDuring('carl', (file) => ['send', file, '--to', 'bob', '--limit', '1MB/s']);
  const [stopped] = await jobs(home);
  await askHere('filer-client', home, ['cancel', stopped?.job ?? '']);
  await network.start(home);
  expect((await jobs(home)).map(({ state }) => state)).toEqual(['cancelled']);
});

test('a recipient that does not answer is told with --queue and retry', async () => {
  const dora = await network.add('dora');
  await dora.daemon.close();
  const file = join(network.folder, 'x');
  await writeFile(file, 'x');
  const { code, stderr } = await bob.run('send', file, '--to', 'dora');
  expect(code).toBe(5);
  expect(stderr).toMatch(/`filer-client retry \S+` .*--queue/);
});
