import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { SchedulesFile } from '../../../apps/filer-client/src/store/schedules-file.ts';
import { needs } from '../../support/needs.ts';

const run = promisify(execFile);

test.skipIf(needs.namespaces())(
  'schedules that a full disk takes only a part of stay as they were',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'filer-schedules-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const database = openDatabase(join(folder, 'filer.db'));
    onTestFinished(() => database.close());
    const disk = join(folder, 'disk');
    await mkdir(disk);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    onTestFinished(async () => {
      await run('umount', [disk]);
    });
    const path = join(disk, 'schedules.toml');
    const before = '# mine\n';
    await writeFile(path, before);
    // The disk has room for the first half of what comes.
    const file = new SchedulesFile(path);
    const text = `${before}${'# a line that takes room\n'.repeat(5_000)}`;

    expect(() => file.edit(database, () => text)).toThrow(expect.objectContaining({ code: 'no-space' }));

    expect(await readFile(path, 'utf8')).toBe(before);
    expect(await readdir(disk)).toEqual(['schedules.toml']);
  },
);

test('a link stays a link, also where there is nothing yet where it leads', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'filer-schedules-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const database = openDatabase(join(folder, 'filer.db'));
  onTestFinished(() => database.close());
  const path = join(folder, 'schedules.toml');
  await mkdir(join(folder, 'managed'));
  await symlink(join('managed', 'mine.toml'), path);
  const file = new SchedulesFile(path);
  for (const text of ['# first\n', '# second\n']) {
    file.edit(database, () => text);
    expect(await readlink(path)).toBe(join('managed', 'mine.toml'));
    expect(await readFile(join(folder, 'managed', 'mine.toml'), 'utf8')).toBe(text);
  }
});
