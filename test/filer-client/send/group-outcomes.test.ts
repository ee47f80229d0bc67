import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

let network: NetworkHere;
let anna: ClientHere;
let file: string;
beforeAll(async () => {
  // Where the server relayed, a machine that is online would be reached.
  network = await NetworkHere.open({ relay: false });
  anna = await network.add('anna');
  file = join(network.folder, 'x');
  await writeFile(file, 'x');
  const others = ['bob', 'carol', 'dan'];
  for (const name of others) {
    const other = await network.add(name);
    await other.daemon.close();
  }
  for (const name of others) await anna.sees(name, ({ online }) => online === false);
});
afterAll(() => network[Symbol.asyncDispose]());

test('a send to several that fails for one reason says it once, with all names', async () => {
  const { code, stdout, stderr } = await anna.run('send', file, '--to', '@all');

  expect(code).toBe(5);
  expect(stderr.split('\n').filter((line) => line.startsWith('filer-client: '))).toEqual([
    expect.stringMatching(
      /^filer-client: bob, carol and dan do not answer \(offline\); `filer-client retry \S+` .*--queue.*they/,
    ),
  ]);
  expect(stdout).toBe('bob, carol and dan  failed\n');
});

test('a machine that is online and does not answer: since when, which addresses were tried, and why each failed', async () => {
  await network.join('eve');
  await network.start(network.home('eve'), 0, [
    { host: '127.0.0.1', port: 1 },
    { host: '127.0.0.1', port: 9 },
  ]);
  await anna.sees('eve');
  const { code, stderr } = await anna.run('message', 'eve', 'hello');

  expect(code).toBe(5);
  expect(stderr).toMatch(
    /eve does not answer \(online as of [^)]*\): cannot connect to 127\.0\.0\.1:1, 127\.0\.0\.1:9: connection refused/,
  );
});
