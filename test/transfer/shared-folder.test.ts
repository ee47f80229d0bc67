import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { FilerError } from '@filer/protocol';
import { listShared, SharedFolder } from '@filer/transfer';
import { filesBelow } from '../support/test-network.ts';
import { freshFolder, transfer, twoEnds } from './two-ends.ts';

const SECRET = 'what is outside of the share';
const swapper = fileURLToPath(new URL('../fixtures/transfer/swapper.ts', import.meta.url));

/** A share with a folder and a file, and links to the secrets beside it. */
async function shareBesideSecrets(): Promise<{ share: string; outside: string }> {
  const above = await freshFolder();
  const [share, outside] = [join(above, 'share'), join(above, 'outside')];
  for (const folder of [join(share, 'folder'), outside]) await mkdir(folder, { recursive: true });
  await writeFile(join(outside, 'inside'), SECRET);
  await writeFile(join(share, 'folder', 'inside'), 'shared');
  await writeFile(join(share, 'file'), 'shared');
  await symlink(outside, join(above, 'folder.link'));
  await symlink(join(outside, 'inside'), join(above, 'file.link'));
  return { share, outside };
}

function open(share: string): SharedFolder {
  const shared = SharedFolder.open('docs', share);
  onTestFinished(() => shared[Symbol.dispose]());
  return shared;
}

const codeOf = (action: () => unknown): string => {
  try {
    action();
    return 'none';
  } catch (error) {
    return error instanceof FilerError ? error.code : String((error as { code?: string }).code);
  }
};

test.skipIf(process.platform !== 'linux')(
  'links that take the place of folders and files while they are read lead nowhere',
  async () => {
    const { share } = await shareBesideSecrets();
    const ends = await twoEnds();
    const child = spawn(process.execPath, [swapper, share], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');

    let [came, listed, failed] = [0, 0, 0];
    for (let round = 0; round < 300; round++) {
      using shared = SharedFolder.open('docs', share);
      try {
        listed += [...listShared(shared, 'docs/folder')].filter(({ size }) => size === SECRET.length).length;
      } catch {
        failed++;
      }
      const files = [
        { file: 'docs', name: 'tree', shared },
        { file: 'docs/file', name: 'file', shared },
        { file: 'docs/folder/inside', name: 'inside', shared },
      ];
      await transfer(ends, [], { send: { files } });
      for (const path of await filesBelow(ends.inbox)) {
        const file = join(ends.inbox, path);
        expect(await readFile(file, 'utf8').catch(() => '')).not.toContain(SECRET);
        came++;
      }
      await rm(ends.inbox, { recursive: true });
    }
    expect(listed).toBe(0);
    // Both happened: it was there, and it was swapped.
    expect(came).toBeGreaterThan(100);
    expect(failed).toBeGreaterThan(0);
  },
);

test('a link on the way, or at the end, is not followed', async () => {
  const { share, outside } = await shareBesideSecrets();
  await symlink(outside, join(share, 'out'));
  await symlink('folder', join(share, 'near'));
  const shared = open(share);

  expect([...listShared(shared, 'docs/out')]).toMatchObject([{ name: 'out', kind: 'link', size: 0 }]);
  for (const file of ['docs/out/inside', 'docs/near/inside']) {
    expect(codeOf(() => shared.at(file, (path) => readFileSync(path)))).toBe('ENOTDIR');
    expect(codeOf(() => [...listShared(shared, file)])).toBe('path-missing');
  }
  expect(codeOf(() => shared.inside('docs/near', (path) => readdirSync(path)))).toBe('ENOTDIR');
  expect(shared.at('docs/folder/inside', (path) => readFileSync(path, 'utf8'))).toBe('shared');
});

test('a share continues from the folder that was opened, whatever takes its name', async () => {
  const { share, outside } = await shareBesideSecrets();
  const shared = open(share);
  await rename(share, `${share}.moved`);
  await symlink(outside, share);

  expect(shared.at('docs/folder/inside', (path) => readFileSync(path, 'utf8'))).toBe('shared');
  expect(codeOf(() => SharedFolder.open('docs', share))).toBe('path-missing');
});

test('a folder above that was replaced by a link is noticed when the share is opened', async () => {
  const { share } = await shareBesideSecrets();
  const folder = join(share, 'folder');
  await rename(share, `${share}.moved`);
  await symlink(`${share}.moved`, share);

  expect(codeOf(() => SharedFolder.open('docs', folder))).toBe('path-missing');
});

test.skipIf(process.platform !== 'linux')('what was opened is closed, after its last use', async () => {
  const { share } = await shareBesideSecrets();
  for (let n = 0; n < 40; n++) await mkdir(join(share, `folder ${n}`));
  const before = readdirSync('/proc/self/fd').length;
  const shared = SharedFolder.open('docs', share);
  const { promise, resolve } = Promise.withResolvers<void>();
  const inUse = shared.inside('docs/folder', () => promise);
  for (let n = 0; n < 40; n++) shared.inside(`docs/folder ${n}`, () => undefined);
  expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 20);

  shared[Symbol.dispose]();
  shared[Symbol.dispose]();
  expect(readdirSync('/proc/self/fd').length).toBe(before + 1);
  resolve();
  await inUse;
  await Promise.resolve();
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});
