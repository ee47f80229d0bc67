import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namesWithin } from '../../apps/filer-client/src/cli/network/overview.ts';
import { jsonLines } from '../support/programs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { runHere } from '../support/in-process.ts';

let network: NetworkHere;
let alice: ClientHere;
let bob: ClientHere;
let file: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await alice.sees('bob');
  await bob.sees('alice');
  file = join(network.folder, 'file');
  await writeFile(file, 'content');
});
afterAll(() => network[Symbol.asyncDispose]());

test('on a machine that has not joined the overview says what to type, and is no failure', async () => {
  const { code, stdout } = await runHere('filer-client', network.home('none'), ['overview']);

  expect(code).toBe(0);
  expect(stdout).toContain('join -');
  expect(jsonLines(await runHere('filer-client', network.home('none'), ['overview', '--json']))).toEqual([
    { joined: false },
  ]);
});

test('the overview shows who this machine is and who is there in less than a screen', async () => {
  const { code, stdout } = await alice.run('overview');

  expect(code).toBe(0);
  expect(stdout).toMatch(/^this +alice, listens on 127\.0\.0\.1:/);
  expect(stdout).toMatch(/^online +bob$/m);
  expect(stdout.split('\n').length).toBeLessThan(24);
  expect(await alice.ask('overview')).toMatchObject({
    joined: true,
    status: { name: 'alice', running: true, ended: null, offers: 0 },
    peers: { peers: [{ name: 'bob' }] },
    transfers: { outgoing: [] },
  });
});

test('without a daemon the overview asks the server who is there', async () => {
  await network.join('carol');
  const { stdout } = await runHere('filer-client', network.home('carol'), ['overview']);

  expect(stdout).toMatch(/^this +carol, no daemon runs/m);
  expect(stdout).toMatch(/^online +(alice, bob|bob, alice)$/m);
});

test('send FILE bob: delivers, and a name that is wrong is exit 4 with the nearest one', async () => {
  expect(await alice.run('send', file, 'bob:')).toMatchObject({ code: 0 });

  const { code, stderr } = await alice.run('send', file, 'bbo:');
  expect([code, stderr]).toEqual([4, expect.stringContaining('did you mean bob?')]);
});

test('a recipient that is not the last word, or beside --to, is no file that is missing', async () => {
  for (const args of [
    ['bob:', 'alice:'],
    ['bob:', '--to', 'bob'],
  ]) {
    const { code, stderr } = await alice.run('send', file, ...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining('"bob:"')]);
  }
});

test.each([
  [[], 20, 'none'],
  [['anna', 'bob'], 9, 'anna, bob'],
  [['anna', 'bob', 'carol'], 15, 'anna and 2 more'],
  [['anna', 'bob', 'carol'], 3, 'anna and 2 more'],
])('of the names %j a line of %i columns shows %j', (names, columns, line) => {
  expect(namesWithin(names, columns)).toBe(line);
});
