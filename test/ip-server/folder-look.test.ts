import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { requireFolder } from '../../apps/ip-server/src/collect/collect-folder.ts';
import { filesProblem } from '../../apps/ip-server/src/uploads/files-place.ts';
import { freshFolder } from '../support/ip-server.ts';

test('a folder that is looked at as the one of all files and as that of a collect at once answers both', async () => {
  const folder = await freshFolder();
  const id = '0'.repeat(32);
  await writeFile(join(folder, 'filer-files'), id);
  const ofAll = (): ReturnType<typeof filesProblem> => filesProblem({ shared: { folder, id } });
  expect(await Promise.all([ofAll(), requireFolder(folder), ofAll()])).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(await Promise.all([requireFolder(folder), ofAll()])).toEqual([undefined, undefined]);
});
