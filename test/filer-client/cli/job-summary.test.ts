import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deliveredWords } from '../../../apps/filer-client/src/cli/files/job-summary.ts';
import type { SendDone } from '../../../apps/filer-client/src/api/contract/send.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

let network: NetworkHere;
let anna: ClientHere;
let empty: string;
beforeAll(async () => {
  network = await NetworkHere.open();
  anna = await network.add('anna');
  for (const name of ['bob', 'carol']) await network.add(name);
  for (const name of ['bob', 'carol']) await anna.sees(name);
  empty = join(network.folder, 'empty');
  await mkdir(empty);
});
afterAll(() => network[Symbol.asyncDispose]());

test('a folder without files that was delivered is told, with its job', async () => {
  const { code, stderr } = await anna.run('send', empty, '--to', 'bob');

  expect(code).toBe(0);
  expect(stderr).toMatch(/^0 files delivered, 0 B sent, \S+  job \w{16}$/m);
});

test('an empty folder that nobody got is not called delivered', async () => {
  const { stderr } = await anna.run('send', empty, '--to', 'bob', '--dry-run');

  expect(stderr).toMatch(/nothing was sent/);
  expect(stderr).not.toMatch(/0 files delivered/);
});

test('what came to several is said once: neither the list of recipients nor the history repeats that it was delivered', async () => {
  const { stdout, stderr } = await anna.run('send', empty, '--to', '@all');
  const job = /job (\w+)/.exec(stderr)?.[1] ?? '';

  expect(stdout).toBe('bob and carol  0 files delivered\n');
  expect((await anna.run('history', job)).stdout).toMatch(/^to bob  0 files delivered, \w+$/m);
});

test('the history says once why nothing of a job came, and names what did not', async () => {
  const file = join(network.folder, 'file');
  await writeFile(file, 'x');
  await using dave = await network.add('dave');
  await anna.sees('dave');
  await dave[Symbol.asyncDispose]();
  const { code, stderr } = await anna.run('send', file, '--to', 'dave');
  const job = /retry (\w{16})/.exec(stderr)?.[1] ?? '';

  const { stdout } = await anna.run('history', job);

  expect(code).toBe(5);
  expect(stdout).toMatch(/^ {2}failed {2}\S+file$/m);
  expect(stdout.match(/does not answer|is offline/g)).toHaveLength(1);
});

test('a rate stands where enough went for one', () => {
  expect(deliveredWords(done(3), 15_000)).toContain(', 3 B sent;');
  expect(deliveredWords(done(64 * 1024), 1_000)).toMatch(/65\.5 kB sent at 65\.5 kB\/s/);
});

function done(bytesSent: number): SendDone {
  const counts = { filesSkipped: 0, filesKept: 0, filesFailed: 0, filesRemoved: 0, linksLeftOut: 0 };
  return {
    ...{ type: 'done', job: 'j', ok: true, exitCode: 0, filesSent: 1, ...counts },
    ...{ bytesSent, bytesTotal: bytesSent, recipients: [] },
  };
}
