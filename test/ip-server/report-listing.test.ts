import { encodeReportBody, type ReportBody } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storeIn } from '../support/engine.ts';
import { RunningServer } from '../support/ip-server.ts';
import { ProgramProcess } from '../support/programs.ts';
import { TestMember } from '../support/test-member.ts';

const HOUR_MS = 3_600_000;
const OUTPUT = '=SUM(A1)\nsecond line';
const RUN = { exitCode: 3, signal: null, durationMs: 1_500, timedOut: false, droppedBytes: 0 };
const ATTACHMENT = { name: 'log.txt', size: 5, digest: `blake3:${'ab'.repeat(32)}` };

let server: RunningServer;
/** By name. */
const machines = new Map<string, TestMember>();
let seq = 0;

function machine(name: string): TestMember {
  const found = machines.get(name);
  if (found === undefined) throw new Error(`${name} has not joined`);
  return found;
}

/** Stored as if it had come that long ago. */
async function store(peer: string, agoMs: number, body: Partial<ReportBody>): Promise<void> {
  const database = await storeIn(server.home);
  const full = { title: '', values: [], schedule: '', ...body };
  const kind = full.schedule === '' ? 'user' : 'schedule';
  const receivedAt = Date.now() - agoMs;
  const report = { ...full, spool: 'cd'.repeat(16), seq: ++seq, kind, time: receivedAt - 1 } as const;
  const peerId = machine(peer).id;
  await database.reports.append([{ peer: peerId, report, content: encodeReportBody(full), receivedAt }]);
  await database.close();
}

beforeAll(async () => {
  server = await RunningServer.start();
  for (const [name, ...groups] of [
    ['nas', 'lab'],
    ['cam-1', 'film', 'lab'],
    ['cam-2', 'film'],
  ]) {
    const member = await TestMember.join(
      await server.invite(...groups.flatMap((group) => ['--group', group])),
      String(name),
    );
    machines.set(String(name), member);
  }
  await store('nas', 50 * HOUR_MS, { title: 'disk of nas', schedule: 'disk', values: [['free', '-5']] });
  await store('cam-1', 30 * HOUR_MS, { title: '=cmd()', values: [['a "b"', 'x,y']] });
  await store('nas', 2 * HOUR_MS, { title: 'disk of nas', schedule: 'disk', values: [['free', '-7.5']] });
  const ran = { schedule: 'backup', output: OUTPUT, run: RUN, attachments: [ATTACHMENT] };
  await store('cam-2', HOUR_MS / 2, ran);
});
afterAll(() => server[Symbol.asyncDispose]());

const titles = async (...args: string[]): Promise<unknown[]> =>
  (await server.reports(...args)).map(({ peer, title, schedule }) => [peer, title ?? schedule]);

const NAS_DISK = ['nas', 'disk of nas'];
const BY_HAND = ['cam-1', '=cmd()'];
const BACKUP = ['cam-2', 'backup'];

describe('reports', () => {
  test.each([
    [
      ['--since', '3h'],
      [NAS_DISK, BACKUP],
    ],
    [
      ['--since', '2d', '--until', '1h'],
      [BY_HAND, NAS_DISK],
    ],
    [['--until', '2001-02-03T04:05:06.789+01:00'], []],
    [['--until', '2d'], [NAS_DISK]],
    [
      ['--group', 'film'],
      [BY_HAND, BACKUP],
    ],
    [
      ['--group', '@film', '--peer', 'nas', '--since', '31h'],
      [BY_HAND, NAS_DISK, BACKUP],
    ],
    [
      ['--peer', 'NAS,cam-2', '--since', '3h'],
      [NAS_DISK, BACKUP],
    ],
    [
      ['--title', 'disk*'],
      [NAS_DISK, NAS_DISK],
    ],
    [['--title', 'disk'], []],
    [['--schedule', 'backup'], [BACKUP]],
    [['--kind', 'user'], [BY_HAND]],
    [['--latest'], [BY_HAND, NAS_DISK, BACKUP]],
    [
      ['--latest', '--until', '1d'],
      [NAS_DISK, BY_HAND],
    ],
  ])('of %j are those', async (args, expected) => {
    expect(await titles(...args)).toEqual(expected);
  });

  test.each([
    [['--since', '1 hour'], 2, '--since takes a duration before now such as 1h or 7d, or a time such as'],
    [['--until', '2026-02-31'], 2, '--until takes a duration before now'],
    [['--until', '2026-01-01T25:00'], 2, '--until takes a duration before now'],
    [['--kind', 'hand'], 2, '--kind takes one of user, schedule'],
    [['--title', ''], 2, '--title takes a title such as'],
    [['--csv', '--json'], 2, '--csv and --json exclude each other'],
    [['--watch', '--latest'], 2, '--watch and --latest exclude each other'],
    [['--value', 'free'], 2, '--value is a column of --csv'],
    [['--peer', 'cam-3'], 4, 'did you mean cam-1 or cam-2?'],
    [['--group', 'flim'], 4, 'no machine is in a group "flim", did you mean film?'],
    [['--group', 'elsewhere'], 4, '"ip-server peers" shows the groups of each machine'],
  ])('%j is refused in a sentence', async (args, code, words) => {
    const outcome = await server.run('reports', ...args);
    expect(outcome).toMatchObject({ code });
    expect(outcome.stderr).toContain(words);
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('show what a command wrote, how it ended and what came with it', async () => {
    const [report] = await server.reports('--schedule', 'backup');
    expect(report).toMatchObject({ output: OUTPUT, run: RUN, attachments: [ATTACHMENT] });
    expect((await server.reports('--kind', 'user'))[0]).toMatchObject({
      output: null,
      run: null,
      attachments: [],
    });
    const { stdout } = await server.run('reports', 'get', String(report?.['id']));
    expect(stdout).toContain('its command: FAILED (exit 3) after 1.5s\n  =SUM(A1)\n  second line\n');
    expect(stdout).toContain('log.txt, a file of 5 B\n');
    expect((await server.run('reports', '--schedule', 'backup')).stdout).toMatch(
      /cam-2 +backup +FAILED \(exit 3\) =SUM\(A1\) \(1 file\)\n$/,
    );
  });

  test('as CSV have a row each, with nothing that a spreadsheet takes for a formula', async () => {
    const { code, stdout } = await server.run('reports', '--csv', '--value', 'free', '--value', 'other');
    expect(code).toBe(0);
    const anything = '[^,]*';
    const row = (...cells: string[]): string => `${cells.join(',')}\r\n`;
    const head = [anything, anything];
    expect(stdout).toMatch(
      new RegExp(
        `^${row('id,peer,peerId,spool,seq,kind,time,receivedAt,title,schedule,values,attachments,output,exitCode,signal,durationMs,timedOut,droppedBytes,value\\.free,value\\.other')}` +
          row(
            '1,nas',
            ...head,
            '1,schedule',
            ...head,
            'disk of nas,disk,"{""free"":""-5""}",\\[\\],,,,,,,-5,',
          ) +
          row(
            '2,cam-1',
            ...head,
            '2,user',
            ...head,
            `'=cmd\\(\\),,"{""a \\\\""b\\\\"""":""x,y""}",\\[\\],,,,,,,,`,
          ) +
          row('3,nas', ...head, '3,schedule', ...head, '.*,-7\\.5,') +
          row(
            '4,cam-2',
            ...head,
            '4,schedule',
            ...head,
            `,backup,{},"\\[{""name"".*}\\]","'=SUM\\(A1\\)\nsecond line",3,,1500,false,0,,`,
          ) +
          '$',
      ),
    );
  });

  test('that come while they are watched are shown once each, with those that were asked for', async () => {
    const args = ['reports', '--watch', '--since', '1h', '--group', 'film', '--json'];
    const watching = new ProgramProcess('ip-server', args, server.home);
    await watching.line(({ title, schedule }) => title === null && schedule === 'backup');
    await using nas = await machine('nas').connect();
    await using cam = await machine('cam-1').connect();
    for (const count of [1, 2]) {
      await nas.report(count, { not: String(count) });
      await cam.report(count, { count: String(count) });
      await watching.line(({ values }) => JSON.stringify(values).includes(`"${count}"`));
    }
    watching.child.kill('SIGINT');
    const { code, stderr } = await watching.ended;

    expect(watching.lines.map(({ schedule, values }) => schedule ?? values)).toEqual([
      'backup',
      { count: '1' },
      { count: '2' },
    ]);
    expect([code, stderr]).toEqual([130, '']);
  });

  test('of any number are written in little memory, whatever the form', async () => {
    const database = await storeIn(server.home);
    const full: ReportBody = { title: 'many', values: [['text', 'y'.repeat(4_000)]], schedule: 'many' };
    const content = encodeReportBody(full);
    const key = { spool: 'ef'.repeat(16), kind: 'schedule', time: 0 } as const;
    const count = 5_000;
    for (let from = 0; from < count; from += 1_000) {
      await database.reports.append(
        Array.from({ length: 1_000 }, (_, index) => {
          const report = { ...full, ...key, seq: from + index };
          return { peer: machine('nas').id, report, content, receivedAt: Date.now() };
        }),
      );
    }
    await database.close();
    const env = { NODE_OPTIONS: '--max-old-space-size=32' };
    for (const form of [['--json'], ['--csv'], []]) {
      const args = ['reports', '--schedule', 'many', ...form];
      const { code, stdout } = await new ProgramProcess('ip-server', args, server.home, { env }).ended;
      expect([form, code, stdout.match(/y{4000}/g)?.length]).toEqual([form, 0, count]);
    }
  });
});
