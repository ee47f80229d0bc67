import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  formatDeliver,
  formatTransferWord,
  formatUnsent,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { RateLimit, sendFiles, type SendOutcome, type SourceFile } from '@filer/transfer';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { askToAttach, transferConnection } from '../support/attach.ts';
import { askHere, until } from '../support/in-process.ts';
import { freshFolder, RunningServer } from '../support/ip-server.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';
import { filesBelow } from '../support/test-network.ts';

/** Machines made of the library alone: what they say is not what an honest client says. */
let server: RunningServer;
let mallory: TestMember;
let other: TestMember;
let session: MemberConnection;

beforeAll(async () => {
  const bounds = ['--collect-max-file-size', '1MB', '--collect-max-files', '20', '--collect-max-size', '2MB'];
  server = await RunningServer.start(bounds);
  const link = await server.invite('--uses', '2');
  mallory = await TestMember.join(link, 'mallory');
  other = await TestMember.join(link, 'other');
  session = await mallory.connect();
  await server.json('collect', 'add', 'x', '--from', 'mallory', '--path', 'x/**', '--every', 'day@03:00');
});
afterAll(async () => {
  await session.close();
  await server[Symbol.asyncDispose]();
});

/** Begins a run; no one waits for its end. @returns what mallory is asked with */
async function begin(): Promise<{ run: string; label: string }> {
  const before = session.collects.length;
  const following = server.follow('collect', 'run', 'x');
  await session.until(() => session.collects.length > before);
  await following.stop('SIGINT');
  const label = String((await ledger())['run']);
  return { run: session.collects.at(-1)?.run ?? '', label };
}

async function ledger(): Promise<Record<string, unknown>> {
  const [document] = await askHere('ip-server', server.home, ['collect', 'show', 'x']);
  const { run, machines } = document as {
    run: Record<string, unknown>;
    machines: Record<string, unknown>[];
  };
  return { ...machines[0], run: run['run'] };
}

function ledgerSays(state: string): Promise<Record<string, unknown>> {
  return until(ledger, (line) => line['state'] === state);
}

let folder: string;
beforeEach(async () => {
  folder = await freshFolder();
});

/** Delivers these files under these names, whatever they are. */
async function deliver(run: string, names: readonly string[], bytes = 10): Promise<SendOutcome> {
  const files = await Promise.all(
    names.map(async (name, n) => {
      const file = join(folder, String(n), 'file');
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, Buffer.alloc(bytes, n + 1));
      return { file, name };
    }),
  );
  const messenger = await mallory.upload(formatDeliver(run));
  try {
    return await sendFiles(messenger, {
      files,
      network: mallory.network,
      senderId: mallory.id,
      receiverId: server.id,
    });
  } finally {
    await messenger.close();
  }
}

async function collected(): Promise<string[]> {
  return await filesBelow(join(server.home, 'collected'));
}

test('nothing is taken for a run that is unknown, over, or asked of another machine', async () => {
  const refusal = { code: 'refused', message: expect.stringContaining('that run is over') };
  const { run } = await begin();
  await expect(mallory.upload(formatDeliver('f'.repeat(32)))).rejects.toMatchObject(refusal);
  await expect(other.upload(formatDeliver(run))).rejects.toMatchObject(refusal);
  const next = await begin();
  await expect(mallory.upload(formatDeliver(run))).rejects.toMatchObject(refusal);
  expect(await deliver(next.run, ['x/file'])).toMatchObject({ ok: true });
  await ledgerSays('delivered');
  await expect(mallory.upload(formatDeliver(next.run))).rejects.toMatchObject(refusal);
});

test('a path that was not asked for, or leads away, is refused for itself, and nothing is outside', async () => {
  const before = await collected();
  const { run, label } = await begin();
  const outcome = await deliver(run, ['x/good', 'y/other', '../x/away', 'x/../../up', '/x/absolute']);
  expect(outcome).toMatchObject({ filesDelivered: 1, filesFailed: 4 });
  const line = await ledgerSays('failed');
  expect(line).toMatchObject({ code: 'partial', filesFailed: 4 });
  const came = (await collected()).filter((path) => !before.includes(path));
  expect(came).toEqual([`x/mallory/${label}/x/good`]);
});

test('files that are too large or too many are refused', async () => {
  const { run } = await begin();
  expect(await deliver(run, ['x/large'], 1_000_001)).toMatchObject({ filesFailed: 1 });
  expect((await ledgerSays('failed'))['failures']).toMatchObject([{ name: 'x/large', code: 'too-large' }]);
  const many = Array.from({ length: 21 }, (_, n) => `x/many/${n}`);
  const outcome = await deliver((await begin()).run, many);
  expect(outcome.filesDelivered).toBeLessThanOrEqual(20);
  expect((await ledgerSays('failed'))['code']).toMatch(/too-large|partial/);
});

test('a machine that comes often brings as many files in one run as one that comes once', async () => {
  const { run, label } = await begin();
  const names = (first: number): string[] => Array.from({ length: 15 }, (_, n) => `x/${first + n}`);
  expect(await deliver(run, ['y/not-asked-for', ...names(0)])).toMatchObject({ filesDelivered: 15 });
  const outcome = await deliver(run, [...names(10).slice(0, 5), ...names(25)]);
  expect(outcome).toMatchObject({ filesDelivered: 10, filesFailed: 10 });
  expect((await collected()).filter((path) => path.startsWith(`x/mallory/${label}/`))).toHaveLength(20);
});

test('a machine that comes often brings as many bytes in one run as one that comes once', async () => {
  const { run, label } = await begin();
  const outcome = await deliver(run, ['x/1', 'x/2', 'x/3'], 900_000);
  expect(outcome).toMatchObject({ filesDelivered: 2, filesFailed: 1 });
  expect((await ledgerSays('failed'))['failures']).toMatchObject([{ name: 'x/3', code: 'too-large' }]);
  expect(await deliver(run, ['x/4', 'x/5'], 150_000)).toMatchObject({ filesDelivered: 1, filesFailed: 1 });
  const came = (await collected()).filter((path) => path.startsWith(`x/mallory/${label}/`));
  expect(came.toSorted()).toEqual(['1', '2', '4'].map((name) => `x/mallory/${label}/x/${name}`));
});

test.each<[string, Message]>([
  ['something that is no transfer', { header: { type: 'nonsense' }, content: Buffer.alloc(0) }],
  ['that it works', formatTransferWord('working')],
])('who says %s and goes away is asked again', async (_, { header, content }) => {
  const { run } = await begin();
  const messenger = await mallory.upload(formatDeliver(run));
  const asked = session.collects.length;
  await messenger.send(header, content);
  messenger.destroy();
  await session.until(() => session.collects.length > asked);
  expect(session.collects.at(-1)?.run).toBe(run);
  expect(await deliver(run, ['x/file'])).toMatchObject({ ok: true });
  expect(await ledgerSays('delivered')).toMatchObject({ tries: 2 });
});

test('long names and reasons of a machine are shortened in the ledger', async () => {
  const { run } = await begin();
  const messenger = await mallory.upload(formatDeliver(run));
  for (let n = 0; n < 20; n++) {
    const { header, content } = formatUnsent({
      path: `${n}${'x'.repeat(16_000)}`,
      code: 'refused',
      message: 'y'.repeat(8_000),
    });
    await messenger.send(header, content);
  }
  await messenger.send(formatTransferWord('done').header);
  const line = await ledgerSays('failed');
  await messenger.close();
  expect(line).toMatchObject({ filesFailed: 20, failures: expect.any(Array) });
  expect(JSON.stringify(line).length).toBeLessThan(30_000);
});

test('who delivers twice at once delivers once', async () => {
  const { run } = await begin();
  const first = await mallory.upload(formatDeliver(run));
  expect(await deliver(run, ['x/file'])).toMatchObject({ ok: true, filesDelivered: 1 });
  await first.closed;
  expect(await ledgerSays('delivered')).toMatchObject({ files: 1, tries: 2 });
});

test('a machine that delivers as much as it may at once still brings the files of its reports', async () => {
  await using connection = await other.connect();
  const deliveries: Messenger[] = [];
  for (const name of ['o1', 'o2', 'o3', 'o4']) {
    await server.json('collect', 'add', name, '--from', 'other', '--path', 'x/**', '--every', 'day@03:00');
    const following = server.follow('collect', 'run', name);
    await connection.until(() => connection.collects.length > deliveries.length);
    await following.stop('SIGINT');
    deliveries.push(await other.upload(formatDeliver(connection.collects.at(-1)?.run ?? '')));
  }
  const messenger = await transferConnection(other);
  const answer = await askToAttach(messenger, { spool: 'ab'.repeat(16), seq: 1 });
  expect(answer.header['type']).toBe('ok');
  for (const each of [messenger, ...deliveries]) await each.close();
});

test('a machine whose files do not fit on the disk has failed for that reason, and can come again', async () => {
  await using full = await RunningServer.start(['--keep-free', '900TiB']);
  const member = await TestMember.join(await full.invite(), 'member');
  await using connection = await member.connect();
  await full.json('collect', 'add', 'x', '--from', '@all', '--path', 'x/**', '--every', 'day@03:00');
  const following = full.follow('collect', 'run', 'x', '--json');
  await connection.until(() => connection.collects.length > 0);
  const file = join(folder, 'file');
  await writeFile(file, 'content');
  const messenger = await member.upload(formatDeliver(connection.collects[0]?.run ?? ''));
  const outcome = await sendFiles(messenger, {
    files: [{ file, name: 'x/file' }],
    network: member.network,
    senderId: member.id,
    receiverId: full.id,
  });
  await messenger.close();
  expect(outcome).toMatchObject({ ok: false, filesDelivered: 0 });
  expect((await following.ended).code).toBe(11);
  expect(following.lines.findLast(({ type }) => type === 'machine')).toMatchObject({
    state: 'failed',
    code: 'no-space',
  });
  await connection.until(() => connection.collects.length > 1);
});

test('what came half of a run that is over does not stay, nor what a killed server left', async () => {
  let running = await RunningServer.start();
  await using _home = { [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
  const member = await TestMember.join(await running.invite(), 'member');
  const file = join(folder, 'file');
  await writeFile(file, Buffer.alloc(8_000_000, 1));
  const parts = async (): Promise<string[]> => {
    const all = await filesBelow(join(running.home, 'collected'));
    return all
      .filter((path) => path.includes('.filer-part-'))
      .map((path) => path.replaceAll(/[0-9a-f]{12,}/g, 'HEX'));
  };
  const partBytes = async (): Promise<number> => {
    const all = await filesBelow(join(running.home, 'collected'));
    const sizes = all
      .filter((path) => path.includes('.filer-part-'))
      .map((path) => stat(join(running.home, 'collected', path)).then(({ size }) => size));
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  };
  /** The first run of a new collect, in which the machine brings files until their parts lie there. */
  const bringHalf = async (files: readonly SourceFile[], part: RegExp): Promise<Messenger> => {
    await running.json('collect', 'add', 'y', '--from', '@all', '--path', 'x/**', '--every', 'day@03:00');
    await using connection = await member.at(running).connect();
    const following = running.follow('collect', 'run', 'y');
    await connection.until(() => connection.collects.length > 0);
    await following.stop('SIGINT');
    const messenger = await member.at(running).upload(formatDeliver(connection.collects[0]?.run ?? ''));
    const { network: id, id: senderId } = member;
    void sendFiles(messenger, {
      files,
      network: id,
      senderId,
      receiverId: running.id,
      limit: new RateLimit(500_000),
    });
    await expect.poll(parts).toEqual([expect.stringMatching(part)]);
    return messenger;
  };
  /** Leaves bytes behind: an empty part is not worth keeping, and a file below one block has none before all of it has come. */
  const leaveHalf = async (): Promise<void> => {
    const messenger = await bringHalf([{ file, name: 'x/half' }], /^y\/\.filer-part-kept-/);
    await expect.poll(partBytes).toBeGreaterThan(0);
    messenger.destroy();
  };

  await leaveHalf();
  await expect.poll(parts).toHaveLength(1);
  await running.follow('collect', 'run', 'y').ended;
  await expect.poll(parts).toEqual([]);
  await running.json('collect', 'remove', 'y', '--yes');

  await leaveHalf();
  await running.json('collect', 'remove', 'y', '--yes');
  expect(await parts()).toEqual([]);

  const small = join(folder, 'small');
  await writeFile(small, Buffer.alloc(1_000_000, 1));
  const messenger = await bringHalf(
    [{ file: small, name: 'x/small' }],
    /^y\/member\/[^/]+\/\.filer-part-collect-/,
  );
  await running.stop('SIGKILL');
  messenger.destroy();
  running = await running.again();
  await expect.poll(parts).toEqual([]);
});
