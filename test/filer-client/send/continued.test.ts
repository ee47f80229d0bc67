import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
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
});

test('a get whose daemon was stopped continues with the next daemon, and retry repeats it', async () => {
  const shared = join(network.folder, 'shared');
  await mkdir(shared);
  await writeFile(join(shared, 'large'), CONTENT);
  await bob.ask('share', 'add', shared);
  const dest = join(network.folder, 'fetched');
  const { home, outcome } = await stoppedDuring('gina', () => [
    'get',
    'bob:shared/large',
    dest,
    '--limit',
    '1MB/s',
  ]);
  const [stopped] = await jobs(home);
  expect(stopped).toMatchObject({
    kind: 'get',
    shared: 'bob:shared/large',
    state: 'interrupted',
    paths: [dest],
  });
  expect(outcome.stderr).toContain(`filer-client retry ${stopped?.job}`);

  const gina = await network.start(home);
  await until(
    () => jobs(home),
    ([job]) => job?.state === 'done',
  );
  expect(await readFile(dest)).toEqual(CONTENT);

  await rm(dest);
  expect(await gina.ask('retry', stopped?.job ?? '')).toMatchObject({
    type: 'done',
    job: stopped?.job,
    filesSent: 1,
  });
  expect(await readFile(dest)).toEqual(CONTENT);
  expect(await jobs(home)).toHaveLength(1);
});

test('a get that was cancelled, here or by another command, says what to type and is not continued', async () => {
  const hans = await network.add('hans');
  await hans.sees('bob');
  const getting = hans.run('get', 'bob:shared/large', join(network.folder, 'cut'), '--limit', '500kB/s');
  await until(
    () => hans.ask('transfers'),
    ({ fetching }) => JSON.stringify(fetching).includes('"bytesPerSecond"'),
  );
  const [running] = await jobs(hans.home);
  await hans.ask('cancel', running?.job ?? '');
  const { code, stderr } = await getting;
  expect(code).toBe(130);
  expect(stderr).toContain(`filer-client retry ${running?.job}`);
  expect((await jobs(hans.home))[0]?.state).toBe('cancelled');
});

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
