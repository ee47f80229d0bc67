import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';

const MAX_UNTOLD = 1_000;

let network: NetworkHere;
let alice: ClientHere;
let file: string;

beforeAll(async () => {
  network = await NetworkHere.open();
  alice = await network.add('alice');
  file = join(network.folder, 'file');
  await writeFile(file, 'hello');
});
afterAll(() => network[Symbol.asyncDispose]());

/** A machine with a line of its own in its configuration. */
async function withSetting(name: string, line: string): Promise<ClientHere> {
  const home = network.home(name);
  const joined = await network.join(name);
  if (joined.code !== 0) throw new Error(joined.stderr);
  await writeFile(join(home, 'config.toml'), `${line}\n`);
  const client = await (await network.start(home)).connected();
  await alice.sees(name);
  return client;
}

/** Transfers of a sender came to their end, and the program was told about none. */
function untold({ home }: ClientHere, sender: string, from: number, upTo: number): void {
  const database = openDatabase(join(home, 'filer.db'));
  const add = database.prepare("INSERT INTO arrivals VALUES (?, ?, 'alice', 'alice', '', 1, 1, 0)");
  database.exec('BEGIN');
  for (let n = from; n < upTo; n++) add.run(sender, `job-${n}`);
  database.exec('COMMIT');
  database.close();
}

test('a sender of whom 1,000 transfers wait for the program of the receiver is told so at its offer', async () => {
  const bob = await withSetting('bob', 'on-received = ["/bin/sleep", "60"]');
  untold(bob, alice.daemon.id, 0, MAX_UNTOLD - 1);
  expect(await alice.run('send', file, '--to', 'bob')).toMatchObject({ code: 0 });
  untold(bob, alice.daemon.id, MAX_UNTOLD - 1, MAX_UNTOLD);
  const refused = await alice.run('send', file, '--to', 'bob', '--json');

  expect(refused.code).toBe(6);
  expect(refused.stdout).toContain('"code":"rate-limited"');
});

test('at the bound of all senders, one that has more than an equal part is refused, and one that has little is not', async () => {
  const dave = await withSetting('dave', 'on-received = ["/bin/sleep", "60"]');
  for (let sender = 0; sender < 20; sender++) untold(dave, `sender-${sender}`, 0, MAX_UNTOLD);
  expect(await alice.run('send', file, '--to', 'dave')).toMatchObject({ code: 0 });
  untold(dave, alice.daemon.id, 0, 960);
  const refused = await alice.run('send', file, '--to', 'dave', '--json');

  expect(refused.stdout).toContain('"code":"rate-limited"');
});

test('a machine whose home is below keep-free takes no transfer', async () => {
  const carol = await withSetting('carol', 'keep-free = "8000TB"');
  const refused = await alice.run('send', file, '--to', 'carol', '--json');

  expect(refused.stdout).toContain('"code":"no-space"');
  expect(refused.code).not.toBe(0);
  expect(await readdir(join(carol.home, 'inbox'))).toEqual([]);
});
