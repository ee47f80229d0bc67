import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { complete, resolveHome } from '@filer/program';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commands as clientCommands } from '../../../apps/filer-client/src/cli/commands.ts';
import { namesFor } from '../../../apps/filer-client/src/cli/completion/names.ts';
import { commands as serverCommands } from '../../../apps/ip-server/src/cli/commands.ts';
import { namesFor as serverNamesFor } from '../../../apps/ip-server/src/cli/completion/names.ts';
import { until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

let network: NetworkHere;
let alice: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  alice = await network.add('alice');
  const bob = await network.add('bob');
  await network.askServer('group', 'add', 'bob', 'lab');
  const folder = join(network.folder, 'docs');
  await mkdir(join(folder, 'a b'), { recursive: true });
  await writeFile(join(folder, 'plan.pdf'), 'x');
  await bob.ask('share', 'add', folder);
  await alice.sees('bob', ({ online, groups }) => online === true && String(groups) === 'lab');
});
afterAll(() => network[Symbol.asyncDispose]());

/** What is offered for the last of the words at a home. */
async function at(home: string, ...words: string[]): Promise<string[]> {
  const env = { FILER_HOME: home };
  const context = { version: '0.0.0', env, home: resolveHome('filer-client', env) };
  const { candidates } = await complete(clientCommands, words, (...asked) => namesFor(context, ...asked));
  return candidates.map(({ text }) => text);
}

async function atServer(...words: string[]): Promise<string[]> {
  const env = { IP_SERVER_HOME: network.serverHome };
  const context = { version: '0.0.0', env, home: resolveHome('ip-server', env) };
  const { candidates } = await complete(serverCommands, words, (what) => serverNamesFor(context, what));
  return candidates.map(({ text }) => text);
}

test('peers, groups and all are offered as recipients, this machine is not', async () => {
  expect(await at(alice.home, 'send', 'x', '--to', '')).toEqual(['bob', '@lab', '@all']);
  expect(await at(alice.home, 'send', 'x', '--to', 'bob,@')).toEqual(['bob,@lab', 'bob,@all']);
  expect(await at(alice.home, 'send', 'x', '')).toEqual(['bob:', '@lab:', '@all:']);
  expect(await at(alice.home, 'send', 'x', '@all,b')).toEqual(['@all,bob:']);
  expect(await at(alice.home, 'send', '')).toEqual([]);
  expect(await at(alice.home, 'message', '')).toEqual(['bob', '@lab', '@all']);
  expect(await at(alice.home, 'trust', '')).toEqual(['bob']);
  expect(await at(alice.home, 'share', 'add', 'x', '--group', '')).toEqual(['lab']);
});

test('what a peer shares is offered over the wire', async () => {
  expect(await at(alice.home, 'get', 'b')).toEqual(['bob:']);
  // Another machine has 300 ms, which a busy one may miss.
  expect(
    await until(
      () => at(alice.home, 'get', 'bob:'),
      (found) => found.length > 0,
    ),
  ).toEqual(['bob:docs/']);
  const below = await until(
    () => at(alice.home, 'ls', 'bob:docs/'),
    (found) => found.length > 0,
  );
  expect(below.toSorted()).toEqual(['bob:docs/a b/', 'bob:docs/plan.pdf']);
  expect(await at(alice.home, 'get', 'bob:nosuch/').catch(() => [])).toEqual([]);
});

test('what this machine has is offered where it is named', async () => {
  const file = join(network.folder, 'file');
  await writeFile(file, 'x');
  const { job } = await alice.ask('send', file, '--to', 'bob');
  await alice.ask('share', 'add', join(network.folder, 'docs'), '--as', 'mine');
  await alice.ask('watch', 'add', join(network.folder, 'scans'), '--to', 'bob');
  await alice.ask('report', 'schedule', 'add', 'disk', '--every', '1h', '--set', 'a=b');

  expect(await at(alice.home, 'retry', '')).toEqual([job]);
  expect(await at(alice.home, 'cancel', '')).toEqual([]);
  expect(await at(alice.home, 'share', 'remove', '')).toEqual(['mine']);
  expect(await at(alice.home, 'watch', 'remove', '')).toEqual(['scans']);
  expect(await at(alice.home, 'report', 'schedule', 'run', '')).toEqual(['disk']);
});

test('a machine that has not joined offers nothing, and its home stays as it is', async () => {
  const home = join(network.folder, 'nobody');

  await expect(at(home, 'send', 'x', '--to', '')).rejects.toThrow('has not joined');
  expect(existsSync(home)).toBe(false);
});

test('the server offers its machines, groups, collects and invites', async () => {
  await network.askServer(
    'collect',
    'add',
    'results',
    '--from',
    '@lab',
    '--path',
    'results/**',
    '--every',
    '1h',
  );
  const { id } = ((await network.askServer('invite', '--list'))['invites'] as { id: string }[])[0] ?? {};

  expect(await atServer('remove', '')).toEqual(['alice', 'bob']);
  expect(await atServer('group', 'add', 'bob', '')).toEqual(['lab']);
  expect(await atServer('collect', 'add', 'x', '--from', '@')).toEqual(['@lab', '@all']);
  expect(await atServer('collect', 'run', '')).toEqual(['results']);
  expect(id).toBeDefined();
  expect(
    await until(
      () => atServer('reports', '--schedule', 'd'),
      (found) => found.length > 0,
    ),
  ).toEqual(['disk']);
});
