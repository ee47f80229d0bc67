import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveHome } from '@filer/program';
import { guardFolders } from '@filer/transfer';
import { expect, onTestFinished, test } from 'vitest';
import { look } from '../../../apps/filer-client/src/watch/look.ts';
import { lookAtRoot } from '../../../apps/filer-client/src/watch/watch-root.ts';

test('a home that came to lie in a watched folder, or to be it, is not looked into', async () => {
  const above = await mkdtemp(join(tmpdir(), 'filer-watch-own-'));
  onTestFinished(() => rm(above, { recursive: true }));
  const home = join(above, 'mounted');
  await mkdir(home);
  await writeFile(join(home, 'key.pem'), 'SECRET');
  await writeFile(join(above, 'beside'), 'content');
  // The paths that the program knows are others: as after a mount.
  const elsewhere = resolveHome('filer-client', { FILER_HOME: join(above, 'elsewhere') });
  const guard = guardFolders({ homes: [home], spools: [] });
  onTestFinished(() => guard[Symbol.dispose]());

  const folder = { folder: above, name: 'all' };
  for (const path of ['mounted', 'mounted/key.pem'])
    expect(await look(folder, path)).toMatchObject({ code: 'refused' });
  expect(await look(folder, 'beside')).toMatchObject({ size: (await stat(join(above, 'beside'))).size });
  expect(await lookAtRoot(home, join(above, 'inbox'), elsewhere)).toMatchObject({
    trouble: expect.stringContaining(JSON.stringify(home)) as string,
  });
});
