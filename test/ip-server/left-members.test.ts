import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';

let network: NetworkHere;
let alice: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  alice = await network.add('alice');
});
afterAll(() => network[Symbol.asyncDispose]());

test.each([
  ['rename', 'robert'],
  ['group', 'add', 'lab'],
])('a membership that has ended is not changed: %s', async (...[command, ...rest]) => {
  const name = `left-by-${command}`;
  const bob = await network.add(name);
  await bob.ask('leave', '--yes');
  const args = command === 'rename' ? ['rename', name, ...rest] : ['group', 'add', name, 'lab'];
  const outcome = await network.runServer(...args, '--json');

  expect(outcome.code).toBe(6);
  expect(outcome.stdout).toContain('"refused"');
  expect(outcome.stdout + outcome.stderr).toContain(`${name} has left`);
  expect(network.server.directory.byName(name)).toMatchObject({ status: 'left', membership: { groups: [] } });
});

test('a leave also ends a membership that was changed before the server learns of it', async () => {
  const bob = await network.add('bob');
  await Promise.all([alice.sees('bob'), bob.sees('alice')]);
  await network.stopServer();
  expect(await bob.ask('leave', '--yes')).toMatchObject({ told: false });
  await bob[Symbol.asyncDispose]();
  expect(await network.runServer('rename', 'bob', 'robert')).toMatchObject({ code: 0 });
  await network.startServer();
  await alice.connected();

  expect(network.server.directory.byName('robert')).toMatchObject({ status: 'left' });
  expect(await alice.run('message', 'robert', 'hello')).toMatchObject({ code: 4 });
});
