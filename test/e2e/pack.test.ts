import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Packing, and an install that may load a few packages from the registry. */
const INSTALL_TIMEOUT_MS = 180_000;

describe('the tarball of `npm run pack`, installed into an empty prefix outside the repository', () => {
  let folder: string;
  const command = (name: string) => join(folder, 'prefix/bin', name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filer-pack-'));
    const packed = await run(process.execPath, [join(root, 'scripts/pack.ts'), folder], { cwd: folder });
    const tarball = join(folder, packed.stdout.trim());
    await run(
      'npm',
      ['install', '--global', '--prefer-offline', '--prefix', join(folder, 'prefix'), tarball],
      {
        cwd: folder,
      },
    );
  }, INSTALL_TIMEOUT_MS);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(['ip-server', 'filer-client'])('%s tells its version and its help', async (name) => {
    const told = await run(command(name), ['--version'], { cwd: folder });
    const help = await run(command(name), ['--help'], { cwd: folder });

    expect(told.stdout.trim()).toBe(manifest.version);
    expect(help.stdout).toContain(name);
  });

  test('a command runs where the only Node is too old for it', async () => {
    const oldNode = join(folder, 'old-node');
    await mkdir(oldNode);
    await writeFile(join(oldNode, 'node'), '#!/bin/sh\necho v20.20.2\n', { mode: 0o755 });
    const told = await run(command('filer-client'), ['--version'], {
      cwd: folder,
      env: { PATH: `${oldNode}:/usr/bin:/bin`, HOME: folder },
    });

    expect(told.stdout.trim()).toBe(manifest.version);
  });
});
