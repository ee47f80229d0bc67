import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { createLogger, DiskRoom } from '@filer/program';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { dropRoute } from '../../../apps/filer-client/src/http/drop-route.ts';
import { droppedEntries } from '../../../apps/filer-client/src/send/drop-entries.ts';
import { Drops } from '../../../apps/filer-client/src/send/drops.ts';
import { requireWhole } from '../../../apps/filer-client/src/send/spool-folder.ts';
import { SpooledInput } from '../../../apps/filer-client/src/send/spooled-input.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { JobStore } from '../../../apps/filer-client/src/store/job-store.ts';
import { dropBody, inPieces, type DroppedHere } from '../../support/dropped.ts';
import { until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';
import { jsonLines } from '../../support/programs.ts';

async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'filer-drops-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function freshDrops(free = 1e9) {
  const folder = join(await freshFolder(), 'outgoing');
  const look = () => ({ bsize: 1, bavail: free, blocks: free, files: 1e6, ffree: 1e6 });
  const room = new DiskRoom(folder, { keepFreeBytes: 0, look });
  const log = await createLogger({ stream: { write: () => true } });
  return { folder, drops: new Drops({ folder, room, log }) };
}

async function read(body: Uint8Array, pieceBytes: number): Promise<DroppedHere[]> {
  const found: DroppedHere[] = [];
  for await (const entry of droppedEntries(inPieces(body, pieceBytes))) {
    const path = entry.path.join('/');
    if (entry.kind === 'dir') found.push({ path });
    else {
      const pieces: Uint8Array[] = [];
      for await (const piece of entry.content) pieces.push(piece);
      found.push({ path, content: Buffer.concat(pieces).toString('latin1'), mtime: entry.mtimeMs });
    }
  }
  return found;
}

const thing = fc.record(
  {
    path: fc
      .array(fc.stringMatching(/^[a-z<>"' é]{1,8}[a-z]$/), { minLength: 1, maxLength: 4 })
      .map((names) => names.join('/')),
    content: fc.stringMatching(/^[a-z]{0,40}$/),
    mtime: fc.integer({ min: 0, max: 2e12 }),
  },
  { requiredKeys: ['path', 'mtime'] },
);

test('what was dropped comes out as it went in, however the stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(thing, { maxLength: 6 }),
      fc.integer({ min: 1, max: 50 }),
      async (things, bytes) => {
        const all = things.map(({ path, content, mtime }) =>
          content === undefined ? { path } : { path, content, mtime },
        );
        expect(await read(dropBody(all), bytes)).toEqual(all);
      },
    ),
    { numRuns: 50 },
  );
});

test('a stream that is cut, goes on, or holds no entries is refused as malformed', async () => {
  const whole = dropBody([{ path: 'a', content: 'abc' }]);
  for (let bytes = 0; bytes < whole.length; bytes++)
    await expect(read(whole.subarray(0, bytes), 7)).rejects.toMatchObject({ code: 'message-malformed' });
  const wrong = [
    Buffer.concat([whole, Buffer.from('x')]),
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    dropBody([{ path: 'a', content: 'x', mtime: Infinity }]),
    dropBody([{ path: 'x'.repeat(5_000) }]),
  ];
  for (const body of wrong) await expect(read(body, 7)).rejects.toMatchObject({ code: 'message-malformed' });
  for (const path of ['../a', '/a', 'a//b', 'a/../b', '', '.', 'a\0b'])
    await expect(read(dropBody([{ path, content: 'x' }]), 7)).rejects.toMatchObject({ code: 'name-refused' });
});

test('files, their times, and empty folders are kept; nothing of a drop that fails is', async () => {
  const { folder, drops } = await freshDrops(10_000);
  const dropped = await drops.take(
    inPieces(
      dropBody([
        { path: 'photos/a', content: 'abc', mtime: 1_000_000_000_000 },
        { path: 'photos/empty/deep' },
        { path: 'b', content: '' },
      ]),
    ),
  );
  expect(dropped).toMatchObject({ files: 2, bytes: 3 });
  expect(dropped.paths).toEqual([join(dropped.folder, 'photos'), join(dropped.folder, 'b')]);
  expect(await readFile(join(dropped.folder, 'photos', 'a'), 'utf8')).toBe('abc');
  expect(Math.round((await stat(join(dropped.folder, 'photos', 'a'))).mtimeMs)).toBe(1_000_000_000_000);
  expect((await stat(join(dropped.folder, 'photos', 'empty', 'deep'))).isDirectory()).toBe(true);
  expect((await stat(dropped.folder)).mode & 0o077).toBe(0);

  const before = await readdir(folder);
  const fails: [Uint8Array, string][] = [
    [dropBody([]), 'usage'],
    [dropBody([{ path: 'x', content: 'abc' }]).subarray(0, -5), 'message-malformed'],
    [
      dropBody([
        { path: 'x', content: 'abc' },
        { path: 'x', content: 'def' },
      ]),
      'usage',
    ],
    [dropBody([{ path: 'x', content: Buffer.alloc(20_000) }]), 'no-space'],
  ];
  for (const [body, code] of fails) await expect(drops.take(inPieces(body))).rejects.toMatchObject({ code });
  expect(await readdir(folder)).toEqual(before);
});

test('a drop ends when others have taken the room it had at its start, and each folder counts', async () => {
  const folder = join(await freshFolder(), 'outgoing');
  const disk = { bsize: 1, bavail: 10_000, blocks: 10_000, files: 0, ffree: 0 };
  let now = 0;
  const room = new DiskRoom(folder, { keepFreeBytes: 0, look: () => disk, now: () => (now += 10_000) });
  const log = await createLogger({ stream: { write: () => true } });
  const drops = new Drops({ folder, room, log });
  async function* meanwhile(): AsyncGenerator<Uint8Array, void> {
    for await (const piece of inPieces(dropBody([{ path: 'x', content: Buffer.alloc(8_000) }]))) {
      yield piece;
      disk.bavail = 10;
    }
  }
  await expect(drops.take(meanwhile())).rejects.toMatchObject({ code: 'no-space' });
  expect(await readdir(folder)).toEqual([]);

  const counted: number[] = [];
  class CountedRoom extends DiskRoom {
    override require(bytes: number, files = 0): void {
      counted.push(files);
      super.require(bytes, files);
    }
  }
  const free = new CountedRoom(folder, { keepFreeBytes: 0, look: () => ({ ...disk, bavail: 10_000 }) });
  const things = ['a/b/c', 'a/b', 'a/d/file'].map((path) =>
    path.endsWith('file') ? { path, content: 'x' } : { path },
  );
  await new Drops({ folder, room: free, log }).take(inPieces(dropBody(things)));
  // a, a/b, a/b/c, a/d, and the file.
  expect(counted.reduce((sum, files) => sum + files, 0)).toBe(5);
});

test('a drop is whole whatever names are in it, and incomplete only by its own mark', async () => {
  const { drops } = await freshDrops();
  const things = ['x', 'x.open'].map((path) => ({ path, content: path }));
  const { folder, paths } = await drops.take(inPieces(dropBody(things)));
  const request = { paths, dropped: true };
  requireWhole(request);
  await writeFile(`${folder}.open`, '');
  expect(() => requireWhole(request)).toThrow(/dropped.* incomplete/);
  await rm(`${folder}.open`);
  await rm(join(folder, 'x'));
  expect(() => requireWhole(request)).toThrow(/dropped.* not kept/);
});

test('half a drop of a killed daemon is removed at the next start, and a whole one is not', async () => {
  const { folder, drops } = await freshDrops();
  await drops.clean(); // no folder yet
  const { folder: whole } = await drops.take(inPieces(dropBody([{ path: 'a', content: 'x' }])));
  await mkdir(join(folder, 'half'));
  await writeFile(join(folder, 'half', 'a'), 'x');
  await writeFile(join(folder, 'half.open'), '');
  // Standard input of a command that may still run.
  await writeFile(join(folder, 'input'), '');
  await writeFile(join(folder, 'input.open'), '');
  await drops.clean();
  expect((await readdir(folder)).toSorted()).toEqual(
    [whole.slice(folder.length + 1), 'input', 'input.open'].toSorted(),
  );
});

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
});

afterAll(() => network[Symbol.asyncDispose]());

async function historyOf(job: string) {
  return await until(
    () => anna.ask('history', job).then(() => anna.run('history', job, '--json')),
    ({ stdout }) => /"state":"(done|failed)"/.test(stdout),
  );
}

test('what is dropped on a peer arrives with receipts, shows its own names, and leaves no copy', async () => {
  const things = [
    { path: 'shoot/a.mov', content: Buffer.alloc(3_000_000, 7), mtime: 1_700_000_000_000 },
    { path: 'shoot/empty' },
    ...Array.from({ length: 100 }, (_, n) => ({ path: `shoot/many/${n}`, content: `file ${n}` })),
    { path: '<img onerror=alert(1)>.txt', content: 'x' },
  ];
  const { signal } = new AbortController();
  const sent = await anna.daemon.drop(
    { to: ['bob'], note: 'the shoot' },
    inPieces(dropBody(things), 65_536),
    signal,
  );
  expect(sent).toMatchObject({ files: 102, bytes: 3_000_000 + 690 + 1 });
  const { stdout } = await historyOf(sent.job);
  const lines = jsonLines({ stdout });
  expect(lines[0]).toMatchObject({
    kind: 'send',
    paths: ['shoot', '<img onerror=alert(1)>.txt'],
    note: 'the shoot',
    state: 'done',
  });
  const receipts = lines.filter(({ type }) => type === 'receipt');
  expect(receipts).toHaveLength(102);
  expect(receipts.map(({ path }) => String(path)).toSorted()).toEqual(
    things
      .filter((each) => 'content' in each)
      .map(({ path }) => path)
      .toSorted(),
  );

  const inbox = join(bob.home, 'inbox', 'anna');
  expect(await readFile(join(inbox, 'shoot', 'a.mov'))).toEqual(things[0]?.content);
  expect(Math.round((await stat(join(inbox, 'shoot', 'a.mov'))).mtimeMs)).toBe(1_700_000_000_000);
  expect((await stat(join(inbox, 'shoot', 'empty'))).isDirectory()).toBe(true);
  await until(
    () => readdir(join(anna.home, 'outgoing')),
    (left) => left.length === 0,
  );
});

test('no copy stays of a drop that is cancelled while it waits or is paused, nor after its machine has left', async () => {
  const [dora, emil] = [await network.add('dora'), await network.add('emil')];
  await emil.sees('dora');
  await dora.daemon.close();
  const outgoing = join(emil.home, 'outgoing');
  const drop = async (): Promise<string> => {
    const body = inPieces(dropBody([{ path: 'a', content: 'x' }]));
    const { signal } = new AbortController();
    const { job } = await emil.daemon.drop({ to: ['dora'], note: '' }, body, signal);
    await until(
      () => emil.ask('history', job).then(() => emil.run('history', job, '--json')),
      ({ stdout }) => stdout.includes('"state":"queued"'),
    );
    expect(await readdir(outgoing)).toHaveLength(1);
    return job;
  };
  const isEmpty = (): Promise<unknown> =>
    until(
      () => readdir(outgoing),
      (left) => left.length === 0,
    );
  await emil.ask('cancel', await drop());
  await isEmpty();
  const paused = await drop();
  await emil.ask('pause', paused);
  await emil.ask('cancel', paused);
  await isEmpty();
  await drop();
  await emil.ask('leave', '--yes');
  await isEmpty();
});

test('the copy of a job is kept for a week after its end, however long it waited before', async () => {
  const { folder, drops } = await freshDrops();
  const dropped = await drops.take(inPieces(dropBody([{ path: 'a', content: 'x' }])));
  const database = openDatabase(join(folder, '..', 'filer.db'));
  onTestFinished(() => database.close());
  const jobs = new JobStore(database);
  const request = JSON.stringify({ ...dropped, spooled: true, dropped: true });
  const bob = { id: 'B', name: 'bob' };
  const [start, week] = [Date.now(), 7 * 24 * 3_600_000];
  jobs.create({ id: 'one', createdAt: start, network: 'N', queue: true, request, owner: 'x' }, [bob]);
  jobs.end('one', 'B', { state: 'failed', code: 'refused', status: 'no' }, start + 2 * week);
  let now = start + 3 * week;
  const clock = { now: () => now };
  const log = await createLogger({ stream: { write: () => true } });
  const spooled = new SpooledInput({ jobs, home: { outgoing: folder }, clock }, log);
  await spooled.clean();
  expect(await readdir(folder)).toHaveLength(1);
  now += 1;
  await spooled.clean();
  expect(await readdir(folder)).toEqual([]);
});

test('a drop that has come whole waits for its sync, however long the disk takes', async () => {
  const silentFor: (number | undefined)[] = [];
  const listening = createServer((incoming, outgoing) => {
    const route = dropRoute(async (_to, body) => {
      silentFor.push(incoming.socket.timeout);
      for await (const piece of body) expect(piece.length).toBeGreaterThan(0);
      silentFor.push(incoming.socket.timeout);
      return { job: 'job', files: 0, bytes: 0 };
    });
    const url = new URL('http://x/api/drop?to=bob');
    const { signal } = new AbortController();
    const request = { caller: undefined, params: {}, url, incoming, signal, lasts: () => undefined };
    void Promise.resolve(route.handle(request)).then(({ status }) => outgoing.writeHead(status).end());
  });
  listening.timeout = 50_000;
  onTestFinished(() => void listening.close());
  await new Promise<void>((resolve) => void listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'content' });
  expect([answer.status, silentFor]).toEqual([200, [50_000, 0]]);
});

test('a drop on an unknown recipient, or whose page goes away, begins nothing', async () => {
  const before = (await anna.ask('history')).jobs;
  const body = () => inPieces(dropBody([{ path: 'a', content: 'x' }]));
  const { signal } = new AbortController();
  await expect(anna.daemon.drop({ to: ['nobody-here'], note: '' }, body(), signal)).rejects.toMatchObject({
    code: 'no-such-peer',
  });
  await expect(
    anna.daemon.drop({ to: ['bob'], note: 'x'.repeat(10_000) }, body(), signal),
  ).rejects.toMatchObject({ code: 'too-large' });
  async function* cut(): AsyncGenerator<Uint8Array, void> {
    yield* inPieces(dropBody([{ path: 'a', content: 'x' }]).subarray(0, 30));
    throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
  }
  await expect(anna.daemon.drop({ to: ['bob'], note: '' }, cut(), signal)).rejects.toMatchObject({
    code: 'connection-closed',
  });
  expect((await anna.ask('history')).jobs).toEqual(before);
  expect(await readdir(join(anna.home, 'outgoing'))).toEqual([]);
});
