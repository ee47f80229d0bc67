import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNetworkKey, exportNetworkKey, loadNetworkKey } from '@filer/protocol';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

let file = '';

beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-network-key-'));
  file = join(folder, 'network-key.pem');
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

test('a network key is read back as it was made, from a file that only its owner can read', async () => {
  const made = await createNetworkKey(file);
  const read = await loadNetworkKey(file);
  expect(read.id).toBe(made.id);
  expect(read.sign(Buffer.from('x')).equals(made.sign(Buffer.from('x')))).toBe(true);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test('a network key is never written over another file', async () => {
  const made = await createNetworkKey(file);
  await expect(createNetworkKey(file)).rejects.toMatchObject({ code: 'refused' });
  expect((await loadNetworkKey(file)).id).toBe(made.id);
});

test('a missing network key and a damaged one are told apart', async () => {
  await expect(loadNetworkKey(file)).rejects.toMatchObject({ code: 'network-key-missing' });
  await writeFile(file, 'not a key');
  await expect(loadNetworkKey(file)).rejects.toMatchObject({ code: 'identity-damaged' });
});

test('an exported network key is the same key, and replaces nothing', async () => {
  const made = await createNetworkKey(file);
  await exportNetworkKey(file, `${file}.copy`);
  expect((await loadNetworkKey(`${file}.copy`)).id).toBe(made.id);
  const before = await readFile(`${file}.copy`, 'utf8');
  await expect(exportNetworkKey(file, `${file}.copy`)).rejects.toMatchObject({ code: 'refused' });
  expect(await readFile(`${file}.copy`, 'utf8')).toBe(before);
});
