import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DaemonProcess, runProgram } from '../support/programs.ts';
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
    await mkdir(join(folder, 'build'));
    await run(process.execPath, [join(root, 'scripts/pack.ts'), join(folder, 'build')], { cwd: folder });
    // As the README has it: npm takes a path without ./ for a repository's name.
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const [, tarball] = /npm i -g (\S+)/.exec(readme) ?? [];
    await run('sh', ['-c', `npm i -g --prefer-offline --prefix prefix ${tarball}`], { cwd: folder });
  }, INSTALL_TIMEOUT_MS);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(['ip-server', 'filer-client', 'filer'])('%s tells its version and its help', async (name) => {
    const told = await run(command(name), ['--version'], { cwd: folder });
    const help = await run(command(name), ['--help'], { cwd: folder });

    expect(told.stdout.trim()).toBe(manifest.version);
    expect(help.stdout).toContain(name);
  });

  test('the manual is where man looks for it', async () => {
    for (const name of ['filer', 'filer-client', 'filer-client-send', 'ip-server-invite']) {
      const page = await readFile(join(folder, 'prefix/share/man/man1', `${name}.1`), 'utf8');
      expect(page).toContain('.SH NAME\n');
    }
  });

  test('two machines join with it, and one sends the other a file', async () => {
    const options = { bin: join(folder, 'prefix/bin'), cwd: folder };
    const home = (name: string) => join(folder, 'homes', name);
    const server = await DaemonProcess.start(
      'ip-server',
      ['--host', '127.0.0.1', '--port', '0'],
      home('server'),
      options,
    );
    try {
      const invite = await runProgram('ip-server', ['invite', '--uses', '2'], home('server'), options);
      for (const name of ['anna', 'bob']) {
        const args = ['join', '-', '--name', name];
        const joined = await runProgram('filer-client', args, home(name), {
          ...options,
          input: invite.stdout,
        });
        expect([joined.code, joined.stderr]).toEqual([0, expect.stringContaining('filer-client start')]);
      }
      const bob = await DaemonProcess.start(
        'filer-client',
        ['--listen', '127.0.0.1:0'],
        home('bob'),
        options,
      );
      await bob.said('connected to the ip-server');
      await writeFile(join(folder, 'hello.txt'), 'hello from a tarball');
      const sent = await runProgram(
        'filer-client',
        ['send', 'hello.txt', '--to', 'bob'],
        home('anna'),
        options,
      );
      await bob.stop();

      expect([sent.code, sent.stdout]).toEqual([
        0,
        expect.stringMatching(/bob has anna\/hello\.txt .*signed/),
      ]);
      expect(await readFile(join(home('bob'), 'inbox/anna/hello.txt'), 'utf8')).toBe('hello from a tarball');
    } finally {
      await server.stop();
    }
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
