import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExistingDigests, Folder, FreeSpace, StagedTree } from '@filer/transfer';
import { expect, onTestFinished, test } from 'vitest';

test.skipIf(process.platform !== 'linux')(
  'a disk that is mounted in what would be replaced is neither taken along nor copied',
  async () => {
    const home = await mkdtemp(join(tmpdir(), 'filer-mount-'));
    onTestFinished(() => rm(home, { recursive: true }));
    using base = Folder.openOwn('/dev');
    using stage = Folder.openOwn(home);
    const tree = new StagedTree({
      base,
      stage,
      find: () => undefined,
      isGone: () => false,
      deliveries: { find: () => undefined },
      space: new FreeSpace(home),
      sync: false,
      files: new ExistingDigests({ known: undefined, checksum: false }),
      mirror: true,
      overwrite: false,
    });

    const failed = await tree.bringIn(['pts']).catch((error: unknown) => error);

    expect(failed).toMatchObject({ code: 'refused', message: expect.stringContaining('"pts"') as string });
    expect(await readdir(home)).toEqual([]);
  },
);
