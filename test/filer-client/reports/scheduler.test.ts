import { mkdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseReportBody } from '@filer/protocol';
import { createLogger, type Database, type Logger } from '@filer/program';
import type { Moment } from '../../../apps/filer-client/src/reports/due.ts';
import { ScheduleTable } from '../../../apps/filer-client/src/reports/schedule-table.ts';
import { Scheduler } from '../../../apps/filer-client/src/reports/scheduler.ts';
import { Snapshot } from '../../../apps/filer-client/src/reports/snapshot.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { Spool } from '../../../apps/filer-client/src/store/spool.ts';

const MINUTE = 60_000;

let folder: string;
let home: TestHome;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-schedules-'));
  home = await TestHome.open();
});
afterEach(async () => {
  await home.close();
  await rm(folder, { recursive: true, force: true });
});

interface Parts {
  readonly database: Database;
  readonly spool: Spool;
  readonly table: ScheduleTable;
  readonly scheduler: Scheduler;
}

/** A home with schedules, a spool, and clocks that a test turns. The scheduler looks when it is woken. */
class TestHome {
  now: Moment = { wallMs: new Date('2026-03-02T10:00:00').getTime(), steadyMs: 5_000, boot: 'a' };
  said = '';
  #log: Logger | undefined;
  #open: Parts | undefined;

  static async open(): Promise<TestHome> {
    const made = new TestHome();
    made.#log = await createLogger({ stream: { write: (text: string) => (made.said += text) } });
    made.start();
    return made;
  }

  /** What a daemon begins with. */
  start(maxReports?: number): void {
    const log = this.#log;
    if (log === undefined) throw new Error('not opened');
    const database = openDatabase(join(folder, 'filer.db'));
    const spool = new Spool(database, 'N', join(folder, 'attachments'), { maxReports });
    const clocks = (): Moment => this.now;
    const table = new ScheduleTable({ database, file: this.file, peerId: 'ID', clocks });
    const scheduler = new Scheduler({
      member: { name: 'anna', spool, database },
      schedules: table,
      environment: { PATH: '/usr/bin:/bin' },
      clocks,
      log,
      onSpooled: () => undefined,
      onChanged: () => undefined,
    });
    this.#open = { database, spool, table, scheduler };
    scheduler.start();
  }

  get file(): string {
    return join(folder, 'schedules.toml');
  }

  get table(): ScheduleTable {
    return this.#parts.table;
  }

  get scheduler(): Scheduler {
    return this.#parts.scheduler;
  }

  get database(): Database {
    return this.#parts.database;
  }

  get #parts(): Parts {
    if (this.#open === undefined) throw new Error('closed');
    return this.#open;
  }

  /** The schedules of the reports in the spool. */
  get reports(): string[] {
    return this.#parts.spool.next(1_000).map(({ content }) => parseReportBody(content).schedule);
  }

  /** Time passes, and the scheduler looks. */
  pass(ms: number): void {
    this.now = { ...this.now, wallMs: this.now.wallMs + ms, steadyMs: this.now.steadyMs + ms };
    this.scheduler.wake();
  }

  /** Resolves once so many reports are in the spool. */
  async reported(count: number): Promise<string[]> {
    while (this.reports.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    return this.reports;
  }

  /** Ends as a daemon does that is told to, or, as far as the database is concerned, as one that is killed. */
  async close(): Promise<void> {
    await this.#open?.scheduler.close();
    this.#open?.database.close();
    this.#open = undefined;
  }
}

test('a schedule that is due is reported once, and then not before its time', async () => {
  home.table.add({ name: 'disk', every: '10m', jitter: '0s', set: { a: '1' } }, false);
  home.pass(10 * MINUTE - 1);
  home.pass(1);
  expect(await home.reported(1)).toEqual(['disk']);
  home.pass(9 * MINUTE);
  home.pass(MINUTE);
  expect(await home.reported(2)).toEqual(['disk', 'disk']);
});

test('a run that is ended with the daemon is no report, and is made up once after the next start', async () => {
  home.table.add({ name: 'slow', every: '1d', jitter: '0s', command: ['sleep', '100'] }, false);
  home.pass(24 * 60 * MINUTE);
  expect(home.table.get('slow')?.isRunning).toBe(true);
  await home.close();

  await writeFile(
    home.file,
    '[[schedule]]\nname = "slow"\nevery = "1d"\njitter = "0s"\ncommand = ["echo"]\n',
  );
  home.start();
  expect(await home.reported(1)).toEqual(['slow']);
  await home.close();
  home.start();
  home.pass(MINUTE);
  expect(home.reports).toEqual(['slow']);
});

test('what is due while the last run continues is made up once when it ends', async () => {
  const stop = join(folder, 'stop');
  home.table.add(
    {
      name: 'long',
      every: '1m',
      jitter: '0s',
      shell: true,
      command: [`until [ -e ${stop} ]; do sleep 0.02; done`],
    },
    false,
  );
  home.pass(MINUTE);
  home.pass(MINUTE);
  home.pass(3 * MINUTE);
  expect(home.table.dueOf('long')).toMatchObject({ nextInMs: 0 });
  await writeFile(stop, '');
  expect(await home.reported(2)).toEqual(['long', 'long']);
  home.pass(MINUTE / 2);
  expect(home.table.get('long')?.isRunning).toBe(false);
  home.pass(MINUTE / 2);
  expect((await home.reported(3)).length).toBe(3);
});

test('four run at once, and the others when their turn comes', async () => {
  const stop = join(folder, 'stop');
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const name of names)
    home.table.add(
      {
        name,
        every: '1h',
        jitter: '0s',
        shell: true,
        command: [`until [ -e ${stop} ]; do sleep 0.02; done`],
      },
      false,
    );
  home.pass(60 * MINUTE);
  expect(home.table.entries.filter((entry) => entry.isRunning).length).toBe(4);
  await writeFile(stop, '');
  expect((await home.reported(6)).toSorted()).toEqual(names);
});

test('a run that somebody asks for comes after the one that continues, and what is due stays due', async () => {
  const stop = join(folder, 'stop');
  home.table.add(
    {
      name: 'x',
      every: '1h',
      jitter: '0s',
      shell: true,
      command: [`until [ -e ${stop} ]; do sleep 0.02; done; echo done`],
    },
    false,
  );
  home.pass(60 * MINUTE);
  const asked = home.scheduler.runNow('x', new AbortController().signal);
  expect(home.reports).toEqual([]);
  await writeFile(stop, '');
  expect(await asked).toMatchObject({ seq: 2, body: { output: 'done\n', run: { exitCode: 0 } } });
  expect(home.table.dueOf('x')).toEqual({ nextInMs: 60 * MINUTE, thirdInMs: 180 * MINUTE });
});

test('who asked for a run and went away ends it, and there is no report', async () => {
  home.table.add({ name: 'x', every: '1h', command: ['sleep', '100'] }, false);
  const asker = new AbortController();
  const asked = home.scheduler.runNow('x', asker.signal);
  const waiting = home.scheduler.runNow('x', asker.signal);
  asker.abort(new Error('gone'));
  const outcomes = await Promise.allSettled([asked, waiting]);
  expect(outcomes).toMatchObject([{ reason: { message: 'gone' } }, { reason: { message: 'gone' } }]);
  expect(home.reports).toEqual([]);
});

test('a schedule that is changed begins again; one whose command is changed continues', async () => {
  home.table.add({ name: 'x', every: '10m', jitter: '0s', set: { a: '1' } }, false);
  home.pass(4 * MINUTE);
  home.table.add({ name: 'x', every: '10m', jitter: '0s', set: { a: '2' }, grace: '5m' }, true);
  expect(home.table.announce()).toMatchObject([{ name: 'x', nextInMs: 6 * MINUTE, graceMs: 5 * MINUTE }]);
  home.table.add({ name: 'x', every: '20m', jitter: '0s', set: { a: '2' } }, true);
  expect(home.table.dueOf('x')).toMatchObject({ nextInMs: 20 * MINUTE });
  home.table.remove('x');
  home.table.add({ name: 'x', every: '20m', jitter: '0s', set: { a: '2' } }, false);
  home.pass(MINUTE);
  await home.close();
  home.start();
  expect(home.table.dueOf('x')).toEqual({ nextInMs: 19 * MINUTE, thirdInMs: 59 * MINUTE });
});

test('a schedule that an edit has broken does not run, and is expected all the same', async () => {
  const good = '[[schedule]]\nname = "good"\nevery = "10m"\njitter = "0s"\nset = { a = "1" }\n';
  await writeFile(home.file, good + good.replace('good', 'other'));
  home.scheduler.wake();
  await writeFile(home.file, `${good.replace('"10m"', '"ten minutes"')}\n${good.replace('good', 'other')}`);
  home.pass(10 * MINUTE);
  expect(await home.reported(1)).toEqual(['other']);
  expect(home.said).toContain('schedule \\"good\\": every takes 10m');
  expect(home.table.announce()).toMatchObject([{ name: 'good', nextInMs: 0 }, { name: 'other' }]);

  await writeFile(home.file, good);
  home.pass(MINUTE);
  expect(await home.reported(2)).toEqual(['other', 'good']);
  expect(home.table.announce()).toMatchObject([{ name: 'good', nextInMs: 9 * MINUTE }, { name: 'other' }]);
});

test('a file that cannot be read at all takes no schedule away', async () => {
  home.table.add({ name: 'x', every: '10m', jitter: '0s', set: { a: '1' } }, false);
  await writeFile(home.file, Buffer.from([0xff, 0xfe, 0x00]));
  home.scheduler.wake();
  expect(home.table.mistakes).toMatchObject([{ name: undefined }]);
  expect(home.table.announce()).toMatchObject([{ name: 'x' }]);
});

test('where the spool is full no report is made, the schedule continues, and says so', async () => {
  await home.close();
  home.start(0);
  home.table.add({ name: 'x', every: '10m', jitter: '0s', set: { a: '1' } }, false);
  const asked = home.scheduler.runNow('x', new AbortController().signal);
  await expect(asked).rejects.toMatchObject({ code: 'spool-full' });
  home.pass(10 * MINUTE);
  while (!home.said.includes('a scheduled report could not be kept', home.said.indexOf('kept') + 5))
    await new Promise((resolve) => setTimeout(resolve, 5));
  expect(home.table.get('x')?.last?.failure).toMatch(/^no report: the spool is full/);
  expect(home.table.dueOf('x')).toMatchObject({ nextInMs: 10 * MINUTE });
});

test('a command is told to the server with its time-out in the grace', () => {
  home.table.add({ name: 'backup', every: '1d', timeout: '30m', command: ['backup'] }, false);
  home.table.add({ name: 'values', every: '1d', set: { a: '1' } }, false);
  home.table.add({ name: 'own', every: '1d', grace: '1m', expect: 'always', command: ['true'] }, false);
  const day = 24 * 60 * MINUTE;
  expect(home.table.announce().map(({ graceMs, always }) => [graceMs, always])).toEqual([
    [day / 10 + 30 * MINUTE, false],
    [MINUTE, true],
    [undefined, false],
  ]);
});

test('schedules that the database could not take are taken over as soon as it can', async () => {
  home.table.add({ name: 'first', every: '10m', jitter: '0s' }, false);
  const text = ['first', 'second', 'third'].map(
    (name) => `[[schedule]]\nname = "${name}"\nevery = "10m"\njitter = "0s"\n`,
  );
  home.database.exec('PRAGMA query_only = ON');
  await writeFile(home.file, text.join('\n'));
  home.scheduler.wake();
  expect(home.said).toContain('schedules could not be checked');
  expect(home.table.entries.map(({ name }) => name)).toEqual(['first']);

  home.database.exec('PRAGMA query_only = OFF');
  home.scheduler.wake();
  expect(home.table.entries.map(({ name }) => name)).toEqual(['first', 'second', 'third']);
  home.pass(10 * MINUTE);
  expect((await home.reported(3)).toSorted()).toEqual(['first', 'second', 'third']);
});

test('who asks for a run of a scheduler that has ended is told so', async () => {
  home.table.add({ name: 'disk', every: '10m' }, false);
  const { scheduler } = home;
  await scheduler.close();
  await expect(scheduler.runNow('disk', new AbortController().signal)).rejects.toMatchObject({
    code: 'interrupted',
  });
});

test('a report that the database cannot take when it is made is kept once it can', async () => {
  home.table.add({ name: 'daily', every: '1d', jitter: '0s', command: ['echo', 'hi'] }, false);
  home.database.exec('PRAGMA query_only = ON');
  home.pass(24 * 60 * MINUTE);
  home.pass(MINUTE);
  expect(home.said).toContain('a scheduled report waits for the database');
  home.database.exec('PRAGMA query_only = OFF');
  home.pass(MINUTE);
  expect(await home.reported(1)).toEqual(['daily']);

  home.database.exec('PRAGMA query_only = ON');
  await expect(home.scheduler.runNow('daily', new AbortController().signal)).rejects.toMatchObject({
    code: 'home-not-writable',
  });
  home.pass(24 * 60 * MINUTE);
  await home.close();
  home.start();
  expect(await home.reported(2)).toEqual(['daily', 'daily']);
});

test('what the system does not do while a report is kept costs no other schedule, and is tried again', async () => {
  home.table.add({ name: 'a', every: '1h', jitter: '0s', attach: ['schedules.toml'], cwd: folder }, false);
  home.table.add({ name: 'b', every: '1h', jitter: '0s', set: { x: '1' } }, false);
  const noDescriptors = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  const fails = vi.spyOn(Snapshot, 'take').mockRejectedValue(noDescriptors);
  home.pass(60 * MINUTE);
  expect(await home.reported(1)).toEqual(['b']);
  await expect.poll(() => home.said).toContain('EMFILE');

  await expect(home.scheduler.runNow('b', new AbortController().signal)).resolves.toBeDefined();
  fails.mockRestore();
  home.pass(MINUTE);
  expect(await home.reported(3)).toEqual(['b', 'b', 'a']);
});

const DAILY = '[[schedule]]\nname = "day"\nevery = "1d"\nset = { a = "1" }\n';
const CRON = '[[schedule]]\nname = "cron"\ncron = "0 18 * * *"\nset = { a = "1" }\njitter = "5m"\n';
const BOTH = `${DAILY}jitter = "0s"\n\n${CRON}`;

test.each([
  ['empty', (): Promise<void> => writeFile(home.file, '')],
  ['of blanks', (): Promise<void> => writeFile(home.file, '\n \n')],
  ['not there', (): Promise<void> => rm(home.file)],
  ['written up to a line', (): Promise<void> => writeFile(home.file, DAILY)],
  ['written up to a comment', (): Promise<void> => writeFile(home.file, '# What this machine reports\n')],
  ['a folder', async (): Promise<void> => rm(home.file).then(() => mkdirSync(home.file))],
])('a file that is %s for a moment changes no timetable and no expectation', async (_, break_) => {
  await writeFile(home.file, BOTH);
  home.scheduler.wake();
  home.pass(60 * MINUTE);
  const before = home.table.announce();
  await break_();
  home.pass(9 * MINUTE);
  expect(home.table.announce().map(({ name }) => name)).toEqual(['cron', 'day']);
  await home.close();
  home.start();
  home.pass(9 * MINUTE);
  expect(home.table.announce().map(({ name }) => name)).toEqual(['cron', 'day']);

  await rm(home.file, { recursive: true, force: true });
  await writeFile(home.file, BOTH);
  home.scheduler.wake();
  const later = (ms: number): number => ms - 18 * MINUTE;
  expect(home.table.announce()).toEqual(
    before.map((each) => ({ ...each, nextInMs: later(each.nextInMs), thirdInMs: later(each.thirdInMs) })),
  );
});

test('what was due while its schedule was not in the file is made up once', async () => {
  await writeFile(home.file, DAILY);
  home.scheduler.wake();
  home.pass(23 * 60 * MINUTE);
  await writeFile(home.file, '');
  for (let hour = 0; hour < 3; hour++) home.pass(60 * MINUTE);
  expect(home.reports).toEqual([]);
  expect(home.table.announce()).toMatchObject([{ name: 'day', nextInMs: 0 }]);
  await writeFile(home.file, DAILY);
  home.pass(MINUTE);
  expect(await home.reported(1)).toEqual(['day']);
});

test('a schedule that an edit removes is forgotten after a while, and no report of it is expected meanwhile', async () => {
  const often = CRON.replace('0 18 * * *', '* * * * *').replace('"5m"', '"0s"');
  await writeFile(home.file, `${DAILY}\n${often}`);
  home.scheduler.wake();
  await writeFile(home.file, DAILY);
  home.pass(MINUTE);
  const left = (name: string): object | undefined => home.table.announce().find((each) => each.name === name);
  expect(left('cron')).toMatchObject({ nextInMs: 10 * MINUTE, thirdInMs: 10 * MINUTE });
  home.pass(9 * MINUTE);
  expect(left('cron')).toMatchObject({ nextInMs: MINUTE });
  home.pass(MINUTE);
  expect(home.table.announce()).toMatchObject([{ name: 'day' }]);

  await writeFile(home.file, `${DAILY}\n${often}`);
  home.pass(MINUTE / 2);
  expect(home.table.entries.map(({ leavesAtMs }) => leavesAtMs)).toEqual([undefined, undefined]);
});

test('a command removes a schedule at once, also one that the file does not have any more', async () => {
  await writeFile(home.file, BOTH);
  home.scheduler.wake();
  home.pass(60 * MINUTE);
  await writeFile(home.file, '');
  home.pass(MINUTE);
  home.table.remove('cron');
  expect(home.table.announce().map(({ name }) => name)).toEqual(['day']);
  home.table.add({ name: 'day', every: '1d', jitter: '0s', set: { a: '1' } }, false);
  expect(home.table.dueOf('day')).toMatchObject({ nextInMs: 24 * 60 * MINUTE });
  expect(() => home.table.remove('cron')).toThrow('no schedule');
});

test('a schedule whose jitter is changed keeps its time', async () => {
  await writeFile(home.file, DAILY);
  home.scheduler.wake();
  const within = home.table.dueOf('day')?.nextInMs;
  home.pass(60 * MINUTE);
  await writeFile(home.file, `${DAILY}jitter = "0s"\n`);
  home.scheduler.wake();
  expect(home.table.dueOf('day')).toMatchObject({ nextInMs: 23 * 60 * MINUTE });
  await writeFile(home.file, DAILY);
  home.scheduler.wake();
  expect(home.table.dueOf('day')).toMatchObject({ nextInMs: (within ?? 0) - 60 * MINUTE });
});

test('a file that is rewritten with other names is announced with at most as many schedules as a server takes', async () => {
  const named = (prefix: string): string =>
    Array.from({ length: 100 }, (_, n) => DAILY.replace('day', `${prefix}${n}`)).join('\n');
  await writeFile(home.file, named('a'));
  home.scheduler.wake();
  await writeFile(home.file, named('b'));
  home.scheduler.wake();
  expect(home.table.announce().map(({ name }) => name[0])).toEqual(Array.from({ length: 100 }, () => 'b'));
});
