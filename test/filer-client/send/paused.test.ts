import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { askHere, runHere, until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

/** More than a slow machine sends before it is stopped. */
const CONTENT = Buffer.alloc(1_500_000, 'content ');

let network: NetworkHere;
let bob: ClientHere;
let file: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  bob = await network.add('bob');
  file = join(network.folder, 'large');
  await writeFile(file, CONTENT);
});

afterAll(() => network[Symbol.asyncDispose]());

/** Starts a machine that takes 150 s for the file: it is still under way when it is paused. */
async function slow(name: string, limit: 'limit' | 'receive-limit'): Promise<ClientHere> {
  await network.join(name);
  await appendFile(join(network.home(name), 'config.toml'), `\n${limit} = "10kB/s"\n`);
  const machine = await (await network.start(network.home(name))).connected();
  await machine.sees('bob');
  return machine;
}

/** Starts it again as fast as it can be. */
async function unlimited(machine: ClientHere): Promise<ClientHere> {
  await machine.daemon.close();
  await rm(join(machine.home, 'config.toml'));
  const again = await network.start(machine.home);
  await again.sees('bob');
  return again;
}

async function jobs(home: string) {
  const [{ jobs: all } = {}] = await askHere('filer-client', home, ['history']);
  return all as { job: string; state: string }[];
}

/** The id of the first job, once it is on its way. */
async function underWay(machine: ClientHere): Promise<string> {
  await until(
    () => machine.ask('transfers'),
    (now) => JSON.stringify(now).includes('"bytesPerSecond"'),
  );
  const [job] = await jobs(machine.home);
  return job?.job ?? '';
}

test('a send that is paused stays paused in the next daemon, and resume brings the rest of it', async () => {
  const anna = await slow('anna', 'limit');
  const sending = anna.run('send', file, '--to', 'bob');
  const job = await underWay(anna);
  expect(await anna.ask('pause', job)).toEqual({ job, recipients: 1 });

  const { code, stderr } = await sending;
  expect(code).toBe(130);
  expect(stderr).toContain(`filer-client resume ${job}`);
  expect((await anna.ask('transfers')).outgoing).toMatchObject([
    { job, state: 'paused', finishedAt: null, recipients: [{ state: 'paused', finishedAt: null }] },
  ]);

  const again = await unlimited(anna);
  expect((await jobs(anna.home)).map(({ state }) => state)).toEqual(['paused']);
  expect(await again.ask('resume', job)).toEqual({ job, recipients: 1 });
  await until(
    () => jobs(anna.home),
    ([now]) => now?.state === 'done',
  );
  expect(await readFile(join(bob.home, 'inbox', 'anna', 'large'))).toEqual(CONTENT);
});

test('a get that is paused keeps what came, and resume continues it without a follower', async () => {
  const shared = join(network.folder, 'shared');
  await mkdir(shared);
  await writeFile(join(shared, 'large'), CONTENT);
  await bob.ask('share', 'add', shared);
  const gina = await slow('gina', 'receive-limit');
  const dest = join(network.folder, 'fetched');
  const getting = gina.run('get', 'bob:shared/large', dest);
  const job = await underWay(gina);
  await gina.ask('pause', job);
  expect((await getting).code).toBe(130);
  expect((await jobs(gina.home)).map(({ state }) => state)).toEqual(['paused']);

  await (await unlimited(gina)).ask('resume', job);
  await until(
    () => jobs(gina.home),
    ([now]) => now?.state === 'done',
  );
  expect(await readFile(dest)).toEqual(CONTENT);
});

test('what is paused has stopped: it continues at once, and can be paused again', async () => {
  const mona = await network.add('mona');
  await mona.sees('bob');
  const shared = join(network.folder, 'often');
  await mkdir(shared);
  await writeFile(join(shared, 'large'), CONTENT);
  await bob.ask('share', 'add', shared);
  const dest = join(network.folder, 'often-fetched');
  const getting = mona.run('get', 'bob:often/large', dest, '--limit', '10kB/s');
  const job = await underWay(mona);
  for (let times = 0; times < 2; times++) {
    expect(await mona.ask('pause', job)).toEqual({ job, recipients: 1 });
    expect(await mona.ask('transfers')).toMatchObject({ fetching: [], outgoing: [{ job, state: 'paused' }] });
    expect(await mona.ask('resume', job)).toEqual({ job, recipients: 1 });
    await underWay(mona);
    expect((await jobs(mona.home)).map(({ state }) => state)).toEqual(['running']);
  }
  await mona.ask('cancel', job);
  expect((await getting).code).toBe(130);
  expect((await jobs(mona.home)).map(({ state }) => state)).toEqual(['cancelled']);
});

test('a job that waits is not tried while it is paused, and can be cancelled', async () => {
  const dora = await network.add('dora');
  const carl = await network.add('carl');
  await carl.sees('dora');
  await dora.daemon.close();
  const sent = await carl.ask('send', file, '--to', 'dora', '--queue');
  const job = String(sent.job);
  await carl.ask('pause', job);
  const back = await network.start(dora.home);
  await carl.sees('dora');
  await back.sees('carl');
  // What is sent later arrives: the one that is paused had its chance.
  await carl.ask('send', file, '--as', 'later', '--to', 'dora');
  expect((await jobs(carl.home)).map(({ state }) => state)).toEqual(['paused', 'done']);
  await carl.ask('cancel', job);
  expect((await jobs(carl.home)).map(({ state }) => state)).toEqual(['cancelled', 'done']);
});

test('without a daemon a job can be paused, and retry continues it', async () => {
  const emil = await network.add('emil');
  await emil.sees('bob');
  await emil.daemon.close();
  const run = (...args: string[]) => runHere('filer-client', emil.home, args);
  await writeFile(join(network.folder, 'small'), 'small');
  const dora = (await network.add('fred')).daemon;
  await dora.close();
  const { code } = await run('send', join(network.folder, 'small'), '--to', 'fred', '--queue');
  expect(code).toBe(0);
  const [{ job } = { job: '' }] = await jobs(emil.home);
  expect((await run('pause', job)).code).toBe(0);
  expect((await jobs(emil.home)).map(({ state }) => state)).toEqual(['paused']);
  expect((await run('pause', job)).code).toBe(1);
  const resumed = await run('resume', job);
  expect(resumed.code).toBe(12);
  expect(resumed.stderr).toContain(`filer-client retry ${job}`);
  expect((await run('retry', job, '--json')).stdout).toContain('"type":"done"');
});
