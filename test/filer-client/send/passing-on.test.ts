import { createHash, randomBytes } from 'node:crypto';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError } from '@filer/protocol';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { PATHS } from '../../../apps/filer-client/src/network/paths.ts';
import { direct } from '../../../apps/filer-client/src/network/paths/direct.ts';
import type { Path } from '../../../apps/filer-client/src/network/paths/path.ts';
import { begunTogether } from '../../support/begun-together.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';

const MiB = 1024 * 1024;
const TO = ['bob', 'carol', 'dave'];

let network: NetworkHere;
let anna: ClientHere;
const others: ClientHere[] = [];
const content = randomBytes(8 * MiB + 1_000);

beforeAll(async () => {
  network = await NetworkHere.open();
  for (const name of TO) others.push(await network.add(name));
  anna = await network.add('anna');
  for (const name of TO) await anna.sees(name);
});
afterAll(() => network[Symbol.asyncDispose]());

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function fileAt(name: string, ...path: string[]): Promise<string> {
  return sumOf(await readFile(join(network.home(name), 'inbox', 'anna', ...path)));
}

/** What recipients got of others, in bytes. */
function passedOn(done: Line): number {
  const recipients = done['recipients'] as { via?: { bytes: number }[] }[];
  return recipients.flatMap(({ via = [] }) => via).reduce((sum, { bytes }) => sum + bytes, 0);
}

test('a large file to three is passed on from one to the next, and each has it whole', async () => {
  const file = join(network.folder, 'large');
  await writeFile(file, content);
  begunTogether(3);

  const done = await anna.ask('send', file, '--to', TO.join(','));

  expect(done).toMatchObject({ ok: true, filesSent: 3 });
  for (const name of TO) expect(await fileAt(name, 'large')).toBe(sumOf(content));
  expect(passedOn(done)).toBeGreaterThan(0);
  expect(Number(done['bytesSent'])).toBeLessThan(3 * content.length);
});

test('people read who got it from whom', async () => {
  const file = join(network.folder, 'told');
  await writeFile(file, content);
  begunTogether(3);

  const { stdout } = await anna.run('send', file, '--to', TO.join(','));

  const lines = stdout.split('\n').filter((line) => / {2}got /.test(line));
  expect(lines.map((line) => line.split(' ')[0])).toEqual(expect.arrayContaining(TO));
  // How much came of whom depends on who was quick; the first one has nothing but what is from here.
  for (const line of lines)
    expect(line).toMatch(
      / {2}got \S+ [kM]?B from (bob|carol|dave|here)(, \S+ [kM]?B from (bob|carol|dave|here))*$/,
    );
  expect(lines.join('\n')).toMatch(/ from (bob|carol|dave)/);
  expect(lines.join('\n')).toMatch(/ from here/);
});

test('with --direct-only each gets all from the sender', async () => {
  const file = join(network.folder, 'direct');
  await writeFile(file, content);

  const done = await anna.ask('send', file, '--to', TO.join(','), '--direct-only');

  expect(done).toMatchObject({ ok: true, filesSent: 3, bytesSent: 3 * content.length });
  expect(passedOn(done)).toBe(0);
});

test('one with `pass-on = false` gets all from the sender, and none gets anything of it', async () => {
  expect((await network.join('erin')).code).toBe(0);
  await appendFile(join(network.home('erin'), 'config.toml'), 'pass-on = false\n');
  await (await network.start(network.home('erin'))).connected();
  await anna.sees('erin');
  const file = join(network.folder, 'alone');
  await writeFile(file, content);

  const done = await anna.ask('send', file, '--to', 'erin,bob,carol');

  expect(done).toMatchObject({ ok: true, filesSent: 3 });
  expect(await fileAt('erin', 'alone')).toBe(sumOf(content));
  const recipients = done['recipients'] as { name: string; via?: { name: string }[] }[];
  expect(recipients.find(({ name }) => name === 'erin')?.via ?? []).toEqual([]);
  expect(recipients.flatMap(({ via = [] }) => via.map(({ name }) => name))).not.toContain('erin');
});

/** Of two machines the first that dials the other one does not reach it, unless it is this one. */
function oneWay(exceptBy: string): Disposable {
  const tried = new Set<string>();
  const closed: Path = {
    ...direct,
    dial: (address, ends, signal) => {
      const pair = [ends.identity.id, ends.expect].toSorted().join();
      if (ends.identity.id === exceptBy || tried.has(pair)) return direct.dial(address, ends, signal);
      tried.add(pair);
      return Promise.reject(new FilerError('peer-unreachable', 'nothing passes'));
    },
  };
  PATHS.delete(direct);
  PATHS.add(closed);
  return {
    [Symbol.dispose]: () => {
      PATHS.delete(closed);
      PATHS.add(direct);
    },
  };
}

test('a holder that cannot be dialled takes part: it opens the connection itself', async () => {
  const file = join(network.folder, 'called');
  await writeFile(file, content);
  using _oneWay = oneWay(anna.daemon.id);
  begunTogether(3);

  const done = await anna.ask('send', file, '--to', TO.join(','));

  expect(done).toMatchObject({ ok: true, filesSent: 3 });
  for (const name of TO) expect(await fileAt(name, 'called')).toBe(sumOf(content));
  expect(passedOn(done)).toBeGreaterThan(0);
});

test('several that get the same from one share at the same time pass it on to each other', async () => {
  const folder = join(network.folder, 'shared');
  await mkdir(folder);
  await writeFile(join(folder, 'build'), randomBytes(24 * MiB));
  expect((await anna.run('share', 'add', folder)).code).toBe(0);
  begunTogether(3);

  const gets = await Promise.all(
    others.map((client, n) => client.run('get', 'anna:shared/build', join(network.folder, `got-${n}`))),
  );

  expect(gets.map(({ code }) => code)).toEqual([0, 0, 0]);
  const sentTo = (): number[] =>
    [...anna.log.matchAll(/"?bytesSent"?[:=](\d+)/g)].map(([, bytes]) => Number(bytes));
  // Who got it may hear so before the sender has noted it.
  const sent = await vi.waitUntil(() => (sentTo().length === 3 ? sentTo() : undefined), { timeout: 20_000 });
  expect(sent.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(2.9 * 24 * MiB);
  for (let n = 0; n < 3; n++)
    expect(sumOf(await readFile(join(network.folder, `got-${n}`)))).toBe(
      sumOf(await readFile(join(folder, 'build'))),
    );
});
