import { execFile } from 'node:child_process';
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { jsonLines, type Line } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, listOf, sha256, TestNetwork, writeRandomFile } from '../support/test-network.ts';

const run = promisify(execFile);
const MiB = 1024 * 1024;

let network: TestNetwork;
beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
});
afterAll(() => network.close());

function attachments(...below: string[]): string {
  return join(network.serverHome, 'attachments', ...below);
}

/** The newest report at the server. */
async function newest(): Promise<Line> {
  return listOf(await network.askServer('reports'), 'reports').at(-1) ?? {};
}

test('a file that is attached, and removed as soon as the command ended, is at the server', async () => {
  const large = await network.file('large.bin', 5_000_000);
  const small = network.path('note.txt');
  await writeFile(small, 'all is well');
  const sum = await sha256(large);
  const [outcome] = await network.ask('anna', 'report', 'state=ok', '--attach', large, '--attach', small);
  await rm(large);

  expect(outcome).toMatchObject({ stored: true, spooled: 0 });
  expect(await newest()).toMatchObject({
    values: { state: 'ok' },
    attachments: [
      { name: 'large.bin', size: 5_000_000 },
      { name: 'note.txt', size: 11 },
    ],
  });
  expect(await filesBelow(join(network.home('anna'), 'attachments'))).toEqual([]);
  const files = await filesBelow(attachments());
  expect(files.map((file) => file.split('/').at(-1))).toEqual(['large.bin', 'note.txt']);
  expect(await sha256(attachments(files[0] ?? ''))).toBe(sum);
});

describe('reports get --out', () => {
  let id: string;
  let kept: string;
  beforeAll(async () => {
    const [a, b] = [network.path('a.txt'), network.path('b.txt')];
    await writeFile(a, 'first');
    await writeFile(b, 'second');
    await network.ask('anna', 'report', '--title', 'two files', '--attach', a, '--attach', b);
    const report = await newest();
    id = String(report['id']);
    kept = attachments(String(report['peerId']), `${String(report['spool'])}-${String(report['seq'])}`);
  });

  test('copies the files, leaves what is there already, and replaces nothing', async () => {
    const out = network.path('out-1');
    await mkdir(out);
    await writeFile(join(out, 'a.txt'), 'of somebody else');
    await writeFile(join(out, 'b.txt'), 'second');
    const document = await network.askServer('reports', 'get', id, '--out', out);

    expect(listOf(document, 'files').map(({ path }) => path)).toEqual([
      join(out, 'a (1).txt'),
      join(out, 'b.txt'),
    ]);
    expect(await filesBelow(out)).toEqual(['a (1).txt', 'a.txt', 'b.txt']);
    expect(await readFile(join(out, 'a (1).txt'), 'utf8')).toBe('first');
    expect(await readFile(join(out, 'a.txt'), 'utf8')).toBe('of somebody else');
  });

  test('says what is damaged with exit 7 and leaves none of it, and works while the server is stopped', async () => {
    const out = network.path('out-2');
    await network.server.stop();
    await appendFile(join(kept, 'a.txt'), ' and more');
    const damaged = await network.ofServer(['reports', 'get', id, '--out', out]);
    await rm(join(kept, 'a.txt'));
    const gone = await network.ofServer(['reports', 'get', id, '--out', out, '--json']);
    await network.startServer();

    expect(damaged.code).toBe(7);
    expect(damaged.stderr).toMatch(/a\.txt is not what was reported any more/);
    expect(await filesBelow(out)).toEqual(['b.txt']);
    expect(gone.code).toBe(8);
    expect(jsonLines(gone).at(-1)).toMatchObject({ type: 'error', code: 'partial' });
  });
});

test('an upload that is cut resumes by itself', async () => {
  const proxy = await TcpProxy.open(network.server.listen);
  try {
    await network.ask('anna', 'server', proxy.address);
    const file = await network.file('cut.bin', 12 * MiB);
    const reporting = network.client('anna', ['report', 'cut=1', '--attach', file, '--json']);
    await proxy.hold(6 * MiB);
    proxy.cut();
    expect((await reporting).code).toBe(0);
    await network.drained('anna');

    expect(await newest()).toMatchObject({ values: { cut: '1' }, attachments: [{ name: 'cut.bin' }] });
    const found = (await filesBelow(attachments())).filter((path) => path.endsWith('/cut.bin'));
    expect(await sha256(attachments(found[0] ?? ''))).toBe(await sha256(file));
  } finally {
    await network.ask('anna', 'server', network.server.listen);
    await proxy[Symbol.asyncDispose]();
  }
});

describe.skipIf(needs.namespaces())('a disk of the server that is full', () => {
  test('keeps a report with files at its machine, in its place, and says so; with room it goes', async () => {
    const disk = attachments();
    await network.join('ben');
    await network.server.stop();
    await run('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
    try {
      await network.startServer();
      await writeRandomFile(join(disk, 'ballast'), 6 * MiB);
      const ben = await network.start('ben');
      const file = await network.file('fits-not.bin', 5 * MiB);
      const [outcome] = await network.ask('ben', 'report', 'n=1', '--attach', file);
      const [behind] = await network.ask('ben', 'report', 'n=2');
      await ben.said('the server did not take them');
      expect([outcome?.['stored'], behind?.['stored'], behind?.['spooled']]).toEqual([false, false, 2]);
      expect((await network.askServer('status'))['storeProblem']).toMatch(
        /attachments of reports are not taken/,
      );

      await rm(join(disk, 'ballast'));
      await network.drained('ben');
      const reports = listOf(await network.askServer('reports', '--peer', 'ben'), 'reports');
      expect(reports.map(({ values }) => (values as Line)['n'])).toEqual(['1', '2']);
      expect((await network.askServer('status'))['storeProblem']).toBeNull();
    } finally {
      await network.daemon('ben').stop();
      await network.server.stop();
      await run('umount', [disk]);
      await network.startServer();
    }
  });
});
