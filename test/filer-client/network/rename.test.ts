import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseMembership } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { NetworkHere } from '../../support/network-here.ts';
import { until, runHere } from '../../support/in-process.ts';

async function openNetwork(): Promise<NetworkHere> {
  const network = await NetworkHere.open();
  onTestFinished(() => network[Symbol.asyncDispose]());
  return network;
}

async function keptName(home: string): Promise<string> {
  const file = JSON.parse(await readFile(join(home, 'membership.json'), 'utf8')) as { membership: unknown };
  return parseMembership(file.membership).name;
}

test('a running client that is renamed has its new name at once, and keeps it', async () => {
  const network = await openNetwork();
  const bob = await network.add('bob');
  await network.askServer('rename', 'bob', 'bobby');
  await bob.status(({ name }) => name === 'bobby');

  expect(bob.events).toContainEqual({
    type: 'member',
    id: bob.daemon.id,
    name: 'bobby',
    groups: [],
    was: 'bob',
  });
  await until(
    () => keptName(bob.home),
    (name) => name === 'bobby',
  );
});

test('who takes a name that a rename freed is no changed identity, nor is the renamed one', async () => {
  const network = await openNetwork();
  const [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await alice.sees('bob');
  await network.askServer('rename', 'bob', 'bobby');
  await network.join('bob', network.home('second'));
  const second = await (await network.start(network.home('second'))).connected();
  await alice.sees('bob', ({ id, addresses }) => id === second.daemon.id && String(addresses) !== '');
  const file = join(network.folder, 'x');
  await writeFile(file, 'hello');

  for (const from of [bob, second])
    expect(await from.run('send', file, '--to', 'alice')).toMatchObject({ code: 0 });
  expect(await readFile(join(alice.home, 'inbox', 'bobby', 'x'), 'utf8')).toBe('hello');
  expect(await readFile(join(alice.home, 'inbox', 'bob', 'x'), 'utf8')).toBe('hello');
  for (const name of ['bob', 'bobby'])
    expect(await alice.run('message', name, 'hello')).toMatchObject({ code: 0 });
});

test('one that does not know yet that it was renamed is taken under its newest name', async () => {
  const network = await openNetwork();
  const alice = await network.add('alice');
  await network.join('bob');
  const { id } = await alice.sees('bob', () => true);
  await network.askServer('rename', 'bob', 'bobby');
  await network.join('bob', network.home('second'));
  await alice.sees('bobby', () => true);
  await alice.sees('bob', (peer) => peer['id'] !== id);
  const membership = join(network.home('bob'), 'membership.json');
  const older = await readFile(membership, 'utf8');
  // Alice's address reaches the home, and the newer membership with it.
  await runHere('filer-client', network.home('bob'), ['peers']);
  expect(await keptName(network.home('bob'))).toBe('bobby');
  await network.stopServer();
  await writeFile(membership, older);

  const said = await runHere('filer-client', network.home('bob'), ['message', 'alice', 'hello']);
  expect(said).toMatchObject({ code: 0 });
  expect(alice.events).toContainEqual(
    expect.objectContaining({ type: 'message', from: 'bobby', fromId: id, text: 'hello' }),
  );
});

test('a name that was given up is answered with the new one', async () => {
  const network = await openNetwork();
  const [alice] = [await network.add('alice'), await network.add('bob')];
  await alice.sees('bob');
  await network.askServer('rename', 'bob', 'robert');
  await alice.sees('robert');

  expect(await alice.run('message', 'bob', 'hello')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('robert') as unknown,
  });
});

test('groups that a running client is put in and taken out of count at once', async () => {
  const network = await openNetwork();
  const [alice, bob] = [await network.add('alice'), await network.add('bob')];
  await network.askServer('group', 'add', 'bob', 'lab');
  await bob.status(({ groups }) => JSON.stringify(groups) === '["lab"]');
  await alice.sees('bob', ({ groups }) => JSON.stringify(groups) === '["lab"]');

  expect(await alice.ask('message', '@lab', 'to the lab')).toMatchObject({ reached: 1 });
  await until(
    () => Promise.resolve(bob.events.some((event) => event.type === 'message' && event.to === '@lab')),
    Boolean,
  );
  await network.askServer('group', 'remove', 'bob', 'lab');
  await bob.status(({ groups }) => JSON.stringify(groups) === '[]');
});
