import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  afterAll,
  beforeAll,
  beforeEach,
  afterEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest';
import { DirectoryStore } from '../../../apps/filer-client/src/store/directory-store.ts';
import { PATHS } from '../../../apps/filer-client/src/network/paths.ts';
import { direct } from '../../../apps/filer-client/src/network/paths/direct.ts';
import { until } from '../../support/in-process.ts';
import type { ClientHere } from '../../support/network-here.ts';
import { NetworkHere } from '../../support/network-here.ts';
import type { Line } from '../../support/programs.ts';

let network: NetworkHere;
let anna: ClientHere;
let ben: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  anna = await network.add('anna');
  ben = await network.add('ben');
  await anna.sees('ben');
  await ben.sees('anna');
});

afterAll(() => network[Symbol.asyncDispose]());

/** As between two routers that let no connection in. */
describe('two machines that cannot dial each other', () => {
  beforeEach(() => void PATHS.delete(direct));
  afterEach(() => void PATHS.add(direct));

  test('send over the ip-server, and say so', async () => {
    const file = join(network.folder, 'a.bin');
    const content = Buffer.alloc(3_000_000, 'relayed');
    await writeFile(file, content);
    const done = await anna.ask('send', file, '--to', 'ben');

    expect(done).toMatchObject({
      ok: true,
      recipients: [{ name: 'ben', connection: 'relayed by ip-server' }],
    });
    expect(await readFile(join(network.home('ben'), 'inbox', 'anna', 'a.bin'))).toEqual(content);
    const isRelayed = ({ via }: Line): boolean => via === 'relayed by ip-server';
    await anna.sees('ben', isRelayed);
    await ben.sees('anna', isRelayed);
    const { jobs } = await anna.ask('history');
    expect((jobs as Line[])[0]).toMatchObject({ recipients: [{ connection: 'relayed by ip-server' }] });
  });

  test('one that came a moment ago, which the directory does not tell yet, is reached over it', async () => {
    const told = vi.spyOn(DirectoryStore.prototype, 'byId').mockImplementation(function (
      this: DirectoryStore,
      id,
    ) {
      const found = this.peers().find((peer) => peer.id === id);
      return found && { ...found, state: 'stopped' };
    });
    onTestFinished(() => told.mockRestore());
    const file = join(network.folder, 'c.txt');
    await writeFile(file, 'c');

    expect(await anna.ask('send', file, '--to', 'ben')).toMatchObject({
      ok: true,
      recipients: [{ name: 'ben', connection: 'relayed by ip-server' }],
    });
  });

  test('a text goes over it, and with --direct-only nothing does', async () => {
    const file = join(network.folder, 'b.txt');
    await writeFile(file, 'b');

    expect(await anna.run('message', 'ben', 'hello')).toMatchObject({ code: 0 });
    expect(await anna.run('send', file, '--to', 'ben', '--direct-only')).toMatchObject({ code: 5 });
  });
});

/** Direct connections come up only after `open` was called, in this test. */
function lateDirect(): { readonly open: () => void } {
  const gate = Promise.withResolvers<void>();
  const late = {
    ...direct,
    dial: async (...to: Parameters<typeof direct.dial>) => {
      await gate.promise;
      return await direct.dial(...to);
    },
  };
  PATHS.add(late).delete(direct);
  onTestFinished(() => void PATHS.add(direct).delete(late));
  return { open: gate.resolve };
}

test('a relayed transfer moves to a direct connection that comes up, which is no loss to anyone', async () => {
  const { open } = lateDirect();
  const file = join(network.folder, 'moves.bin');
  const content = Buffer.alloc(3_000_000, 'moves');
  await writeFile(file, content);
  const before = ben.daemon.connections();
  const sending = anna.ask('send', file, '--to', 'ben', '--limit', '4MB/s');
  await until(
    () => Promise.resolve(ben.daemon.connections()),
    (count) => count > before,
  );
  open();

  expect(await sending).toMatchObject({ ok: true, recipients: [{ connection: 'direct' }] });
  expect(await readFile(join(network.home('ben'), 'inbox', 'anna', 'moves.bin'))).toEqual(content);
  expect(ben.log).not.toContain('ended early');
  expect(ben.log).toContain('a transfer continues on a better path');
});

test('with --relay-only it goes over the ip-server where a direct connection is possible, too', async () => {
  const file = join(network.folder, 'c.txt');
  await writeFile(file, 'c');

  const relayed = await anna.ask('send', file, '--to', 'ben', '--relay-only');
  const direct = await anna.ask('send', file, '--to', 'ben', '--direct-only');
  const both = await anna.run('send', file, '--to', 'ben', '--direct-only', '--relay-only');

  expect(relayed).toMatchObject({ recipients: [{ connection: 'relayed by ip-server' }] });
  expect(direct).toMatchObject({ recipients: [{ connection: 'direct' }] });
  expect(both).toMatchObject({ code: 2 });
});

test('a get takes the same flags', async () => {
  const shares = join(network.folder, 'shares');
  await mkdir(shares);
  await writeFile(join(shares, 'd.txt'), 'd');
  await ben.ask('share', 'add', shares, '--as', 'all');
  const fetched = join(network.folder, 'd.txt');
  const done = await anna.ask('get', 'ben:all/d.txt', fetched, '--relay-only');

  expect(done).toMatchObject({ ok: true, recipients: [{ connection: 'relayed by ip-server' }] });
  expect(await readFile(fetched, 'utf8')).toBe('d');
});

test('a file that is fetched into a pipe moves to a direct connection that comes up, byte for byte', async () => {
  const shares = await mkdtemp(join(network.folder, 'piped-'));
  const content = Buffer.from(
    Array.from({ length: 600_000 }, (_, n) => `${n % 100_000}`.padStart(5)).join(''),
  );
  await writeFile(join(shares, 'e.txt'), content);
  await ben.ask('share', 'add', shares, '--as', 'piped');
  const { open } = lateDirect();
  const before = ben.daemon.connections();
  const fetching = anna.run('get', 'ben:piped/e.txt', '-', '--limit', '2MB/s');
  await until(
    () => Promise.resolve(ben.daemon.connections()),
    (count) => count > before,
  );
  open();
  const { code, stdout } = await fetching;

  expect(code).toBe(0);
  expect(stdout).toBe(content.toString());
  expect(ben.log).toContain('a fetch continues on a better path');
});
