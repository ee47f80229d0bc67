import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { PART_PREFIX } from '@filer/transfer';
import { needs } from '../support/needs.ts';
import { jsonLines, type Outcome } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, sha256, TestNetwork, writeRandomFile } from '../support/test-network.ts';

const run = promisify(execFile);
const MiB = 1024 * 1024;
const NOBODY = 65_534;

/** What a failed command says for people: one line. */
function sentenceOf({ stderr }: Outcome): string {
  const lines = stderr.split('\n').filter((line) => line.startsWith('filer-client: '));
  expect(lines).toEqual([expect.any(String)]);
  return lines[0] ?? '';
}

describe.skipIf(needs.namespaces())('a disk at the receiver, of 96 MiB,', () => {
  let network: TestNetwork;
  let proxy: TcpProxy;
  let inbox: string;

  beforeAll(async () => {
    network = await TestNetwork.open({ running: ['anna'] });
    proxy = await TcpProxy.open();
    inbox = network.path('disk');
    await mkdir(inbox);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', inbox]);
    await network.join('bob');
    const bob = await network.startAlone('bob', '--advertise', proxy.address, '--inbox', inbox);
    proxy.target = bob.listen;
    await network.seesAs('anna', 'bob', 'online');
  });
  afterEach(() => proxy.release());
  afterAll(async () => {
    await network.daemon('bob').stop();
    await run('umount', [inbox]);
    await network.close();
    await proxy[Symbol.asyncDispose]();
  });

  const names = async (): Promise<string[]> =>
    (await filesBelow(inbox)).filter((path) => !path.includes(PART_PREFIX));

  test('that fills in the middle of a file fails it with exit 11; when there is room the same command succeeds', async () => {
    const file = await network.file('large.bin', 40 * MiB);
    const args = ['send', file, '--to', 'bob', '--json'];
    const held = proxy.hold(12 * MiB);
    const command = network.follow('anna', args);
    await held;
    await writeRandomFile(join(inbox, 'ballast'), 70 * MiB);
    proxy.release();
    const full = await command.ended;

    expect(full.code).toBe(11);
    expect(sentenceOf(full)).toMatch(/no space left for "large\.bin": free some there and send again/);
    expect(jsonLines(full).at(-1)).toMatchObject({ type: 'done', ok: false, exitCode: 11, filesFailed: 1 });
    expect(await names()).toEqual(['ballast']);

    await rm(join(inbox, 'ballast'));
    const again = await network.client('anna', args);

    expect([again.code, again.stderr.match(/^filer-client: .*$/gm)]).toEqual([0, null]);
    expect(await filesBelow(inbox)).toEqual(['anna/large.bin']);
    expect(await sha256(join(inbox, 'anna', 'large.bin'))).toBe(await sha256(file));
  });

  test('that came back read-only in the middle of a tree is told, and when it is writable the rest comes', async () => {
    const tree = network.path('tree');
    await mkdir(tree);
    await writeFile(join(tree, 'small'), 'content');
    await writeRandomFile(join(tree, 'larger'), 20 * MiB);
    const args = ['send', tree, '--to', 'bob', '--json'];
    const held = proxy.hold(10 * MiB);
    const command = network.follow('anna', args);
    await held;
    // A disk with files that are open for writing does not become read-only: the machine goes down, and is repaired.
    await network.daemon('bob').stop('SIGKILL');
    await run('mount', ['-o', 'remount,ro', inbox]);
    proxy.cut();
    const bob = await network.startAlone('bob', '--advertise', proxy.address, '--inbox', inbox);
    proxy.target = bob.listen;
    const readOnly = await command.ended;

    expect([1, 8]).toContain(readOnly.code);
    expect(sentenceOf(readOnly)).toMatch(/cannot (?:write|open|make).*(?:EROFS|read-only)|files failed/);
    await run('mount', ['-o', 'remount,rw', inbox]);
    await bob.said('connected to the ip-server');
    await network.seesAs('anna', 'bob', 'online');
    const again = await network.client('anna', args);

    expect(again.code).toBe(0);
    for (const name of ['small', 'larger'])
      expect(await sha256(join(inbox, 'anna', 'tree', name))).toBe(await sha256(join(tree, name)));
    expect((await readdir(inbox)).filter((name) => name.startsWith(PART_PREFIX))).toEqual([]);
  });
});

test.skipIf(needs.root() || needs('setpriv'))(
  'what the sender may not read is told file by file, and the rest goes: exit 8',
  async () => {
    await using network = await TestNetwork.open({ running: ['bob'] });
    await network.join('anna');
    await chmod(network.folder, 0o755);
    const tree = network.path('tree');
    await mkdir(join(tree, 'closed folder'), { recursive: true });
    for (const name of ['open', 'secret', 'closed folder/inside']) await writeFile(join(tree, name), name);
    await chmod(join(tree, 'secret'), 0o000);
    await chmod(join(tree, 'closed folder'), 0o000);
    await network.seesAs('anna', 'bob', 'online');
    await run('chown', ['-R', String(NOBODY), network.home('anna')]);
    await chown(tree, NOBODY, NOBODY);

    const outcome = await network.client('anna', ['send', tree, '--to', 'bob', '--json'], {
      wrapper: ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'],
    });

    expect(outcome.code).toBe(8);
    const sentences = outcome.stderr.match(/^filer-client: bob: .*may not be read by this user: .*$/gm);
    expect(sentences).toHaveLength(2);
    const failed = jsonLines(outcome).filter(({ type, ok }) => type === 'file' && ok === false);
    expect(
      failed.map(({ path, code }) => `${String(path).slice(tree.length)}: ${String(code)}`).toSorted(),
    ).toEqual(['/closed folder: path-unreadable', '/secret: path-unreadable']);
    expect(await filesBelow(network.inbox('bob'))).toEqual(['anna/tree/open']);
  },
);
