import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';

const MiB = 1024 * 1024;
const TO = ['bob', 'carol', 'dave'];

let network: NetworkHere;
let anna: ClientHere;
const content = randomBytes(8 * MiB + 1_000);

beforeAll(async () => {
  network = await NetworkHere.open();
  for (const name of TO) await network.add(name);
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

  const done = await anna.ask('send', file, '--to', TO.join(','));

  expect(done).toMatchObject({ ok: true, filesSent: 3 });
  for (const name of TO) expect(await fileAt(name, 'large')).toBe(sumOf(content));
  expect(passedOn(done)).toBeGreaterThan(content.length);
  expect(Number(done['bytesSent'])).toBeLessThan(2 * content.length);
});
