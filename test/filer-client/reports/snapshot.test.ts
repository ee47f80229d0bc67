import { appendFileSync, existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FilerError, MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS } from '@filer/protocol';
import type { Database } from '@filer/program';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { spoolReport } from '../../../apps/filer-client/src/reports/spool-report.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { Spool } from '../../../apps/filer-client/src/store/spool.ts';

const body = { title: '', values: [], schedule: '' } as const;

let folder: string;
let database: Database;
let spool: Spool;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-snapshot-'));
  database = openDatabase(join(folder, 'filer.db'));
  spool = new Spool(database, 'NETWORK', join(folder, 'attachments'));
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

function report(...attach: string[]): Promise<number> {
  return spoolReport({ spool }, { kind: 'user', time: 1, body, attach });
}

/** Folders that the spool keeps. */
function kept(): string[] {
  return existsSync(spool.folders.root) ? readdirSync(spool.folders.root) : [];
}

test('what is attached is a copy of the moment: a later change or removal of the file changes nothing', async () => {
  const [a, b] = [await file('a.txt', 'first'), await file('b.txt', '')];
  await report(a, b);
  await writeFile(a, 'second');
  await rm(b);

  const [spooled] = spool.next(1);
  const copies = spooled?.folder ?? '';
  expect(await readFile(join(copies, '0'), 'utf8')).toBe('first');
  expect((await stat(join(copies, '0'))).mode & 0o777).toBe(0o600);
  expect([...spool.lines()][0]?.body?.attachments).toMatchObject([
    { name: 'a.txt', size: 5, digest: expect.stringMatching(/^blake3:[0-9a-f]{64}$/) as unknown },
    { name: 'b.txt', size: 0 },
  ]);
  spool.drop([spooled?.seq ?? 0]);
  expect(kept()).toEqual([]);
});

test.each([
  ['two files of one name', 'usage', () => Promise.all([file('x/a', '1'), file('y/a', '2')])],
  ['a folder', 'path-unsupported', () => Promise.resolve([folder])],
  ['a missing file', 'path-missing', () => Promise.resolve([join(folder, 'none')])],
  [
    'a file over the limit',
    'too-large',
    async () => {
      const path = await file('big', '');
      await truncate(path, MAX_ATTACHMENT_BYTES + 1);
      return [path];
    },
  ],
  [
    'more files than a report takes',
    'usage',
    () => Promise.all(Array.from({ length: MAX_ATTACHMENTS + 1 }, (_, n) => file(`many/${n}`, ''))),
  ],
])('%s: one clear error, and nothing is kept', async (_what, code, make) => {
  const paths = await make();

  await expect(report(...paths)).rejects.toMatchObject({ code });
  expect([spool.size, kept()]).toEqual([0, []]);
});

test('what cannot be attached can be left out, and the report can tell of it', async () => {
  const failures: FilerError[] = [];
  await spoolReport(
    { spool },
    {
      kind: 'schedule',
      time: 1,
      body: () => ({ ...body, values: [['failed', String(failures.length)]] }),
      attach: [join(folder, 'none'), await file('a', 'x')],
    },
    { failed: (_path, error) => failures.push(error) },
  );

  const [line] = spool.lines();
  expect(failures).toMatchObject([{ code: 'path-missing' }]);
  expect(line?.body).toMatchObject({ values: [['failed', '1']], attachments: [{ name: 'a' }] });
});

test('files beyond the room of the spool are refused with it, and what waits is still there', async () => {
  spool.maxFileBytes = 10;
  await report(await file('a', '123456'));

  await expect(report(await file('b', '12345'))).rejects.toMatchObject({ code: 'spool-full', exitCode: 11 });
  await report(await file('c', '1234'));
  expect(spool.size).toBe(2);
  expect(kept()).toHaveLength(2);
});

test('a report that is too large for all its files keeps no copies', async () => {
  const values = [['k', 'x'.repeat(70_000)]] as const;

  await expect(
    spoolReport(
      { spool },
      { kind: 'user', time: 1, body: { ...body, values }, attach: [await file('a', 'x')] },
    ),
  ).rejects.toMatchObject({ code: 'too-large' });
  expect(kept()).toEqual([]);
});

/** A spool during whose look for room a file is written to, so many times. */
class Disturbing extends Spool {
  disturb: () => void = () => undefined;

  override requireRoom(bytes: number): void {
    super.requireRoom(bytes);
    this.disturb();
  }
}

test('a file that is written to while it is copied is copied again, and one that never rests is one error', async () => {
  const disturbed = new Disturbing(database, 'NETWORK', join(folder, 'attachments'));
  const path = await file('log', 'x');
  const attach = (times: number): Promise<number> => {
    let left = times;
    disturbed.disturb = () => {
      if (left-- > 0) appendFileSync(path, 'y');
    };
    return spoolReport({ spool: disturbed }, { kind: 'user', time: 1, body, attach: [path] });
  };

  await expect(attach(Infinity)).rejects.toMatchObject({ code: 'source-changed', exitCode: 7 });
  expect([spool.size, kept()]).toEqual([0, []]);
  await attach(2);
  expect([...spool.lines()][0]?.body?.attachments).toMatchObject([{ size: (await stat(path)).size }]);
});

test.skipIf(process.platform !== 'linux')(
  'a file of the kernel that says that it is empty is not taken for empty',
  async () => {
    // States 4096 bytes, and has a few.
    await expect(report('/sys/kernel/uevent_seqnum')).rejects.toMatchObject({ code: 'path-unsupported' });
    await expect(report('/proc/uptime')).rejects.toMatchObject({ code: 'path-unsupported' });
    expect(kept()).toEqual([]);
  },
);
