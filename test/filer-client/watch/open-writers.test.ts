import { lstatSync } from 'node:fs';
import { link, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openForWriting } from '../../../apps/filer-client/src/watch/open-writers.ts';

test.skipIf(process.platform !== 'linux')(
  'files that are open for writing are told from those that are read',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'filer-writers-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const inodes = new Map<string, string>();
    for (const path of ['read', 'written', 'both', 'appended', 'closed', 'elsewhere']) {
      await writeFile(join(folder, path), path);
      const { dev, ino } = lstatSync(join(folder, path), { bigint: true });
      inodes.set(path, `${dev}:${ino}`);
    }
    await link(join(folder, 'closed'), join(folder, 'linked'));
    const handles = [
      await open(join(folder, 'read'), 'r'),
      await open(join(folder, 'written'), 'r+'),
      await open(join(folder, 'both'), 'r'),
      await open(join(folder, 'both'), 'w'),
      await open(join(folder, 'appended'), 'a'),
    ];
    onTestFinished(async () => {
      await Promise.all(handles.map((handle) => handle.close()));
    });

    expect([...(await openForWriting(inodes))].toSorted()).toEqual(['appended', 'both', 'written']);
  },
);
