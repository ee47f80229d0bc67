import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { encodeReportBody, FilerError, formatReport } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { attach, attachmentOf, reportWith } from '../support/attach.ts';
import { floodReports } from '../support/flood-reports.ts';
import { RunningServer } from '../support/ip-server.ts';
import { needs } from '../support/needs.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';

const MiB = 1024 * 1024;

interface Attacked {
  readonly server: RunningServer;
  readonly home: string;
  readonly anna: TestMember;
  readonly modest: MemberConnection;
  readonly eve: TestMember;
  readonly evil: MemberConnection;
}

/** @param disk options of the tmpfs that the home is on @default none: it is with all temporary files */
async function attacked(args: readonly string[], disk?: string): Promise<Attacked> {
  const home = await mkdtemp(join(tmpdir(), 'filer-test-'));
  if (disk !== undefined) asRoot('mount', '-t', 'tmpfs', '-o', `mode=0700,${disk}`, 'tmpfs', home);
  const server = await RunningServer.start(args, home);
  onTestFinished(async () => {
    await server.stop();
    if (disk !== undefined) asRoot('umount', '--lazy', home);
    await rm(home, { recursive: true, force: true });
  });
  const link = await server.invite('--uses', '2');
  const [anna, eve] = [await TestMember.join(link, 'anna'), await TestMember.join(link, 'eve')];
  return { server, home, anna, modest: await anna.connect(), eve, evil: await eve.connect() };
}

function asRoot(program: string, ...args: string[]): void {
  execFileSync(program, args);
}

function counted(answers: readonly string[]): string {
  const groups = Object.entries(Object.groupBy(answers, (answer) => answer));
  return groups.map(([answer, { length } = []]) => `${length} ${answer}`).join(', ');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Tries, as a client does, until it is stored. @returns how often it was refused */
async function insist(work: () => Promise<unknown>): Promise<number> {
  for (let refused = 0; ; refused++) {
    try {
      await work();
      return refused;
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'no-space') throw error;
      await wait(300);
    }
  }
}

test('a member that floods the server with reports for long is refused when it is too fast; the database stays small, and others lose nothing', async () => {
  const { server, home, modest, evil } = await attacked(['--report-space', '8MiB']);
  for (let time = 1; time <= 20; time++) await modest.report(time);
  const begun = performance.now();
  const answers = await floodReports(evil, 20_000);
  const seconds = (performance.now() - begun) / 1_000;
  for (let time = 21; time <= 40; time++) await modest.report(time);
  const reports = await server.reports();
  const stored = answers.filter((answer) => answer === 'stored').length;
  const { size } = await stat(join(home, 'ip-server.db'));
  say(`in ${seconds.toFixed(1)} s: ${counted(answers)}; database ${(size / MiB).toFixed(1)} MiB`);

  expect(new Set(answers)).toEqual(new Set(['stored', 'rate-limited']));
  expect(stored / 16).toBeLessThan(64 + seconds + 2);
  expect(reports.filter(({ peer }) => peer === 'anna')).toHaveLength(40);
  expect(size).toBeLessThan(40 * MiB);
});

test.skipIf(needs.namespaces())(
  'a member that fills the disk with reports leaves half of keep-free, and room for who has less',
  async () => {
    const { server, home, modest, evil } = await attacked([], 'size=64m');
    const answers = await floodReports(evil, 1_000);
    const { bavail, bsize } = await statfs(home);
    const content = encodeReportBody({ title: '', values: [['x', 'y'.repeat(64_000)]], schedule: '' });
    let refused = 0;
    for (let seq = 1; seq <= 200; seq++) {
      const report = { spool: 'a'.repeat(32), seq, kind: 'user', time: seq } as const;
      refused += await insist(() => modest.session.ask(formatReport(report, content)));
    }
    const after = await statfs(home);
    const least = Math.min(bavail * bsize, after.bavail * after.bsize);
    say(
      `${counted(answers)}; ${refused} tries of the other refused; least free ${(least / MiB).toFixed(1)} MiB`,
    );

    expect(answers).toContain('no-space');
    expect((await server.reports()).filter(({ peer }) => peer === 'anna')).toHaveLength(200);
    expect(least).toBeGreaterThan(4 * MiB);
    expect((await server.json('status'))['storeProblem']).toContain('keep-free');
  },
);

test.skipIf(needs.namespaces())(
  'a member that attaches empty files leaves the last inodes, and room for who has less',
  async () => {
    const { home, anna, modest, eve, evil } = await attacked([], 'size=200m,nr_inodes=3000');
    const file = join(home, 'empty');
    await writeFile(file, '');
    const files = Array.from({ length: 100 }, (_, n) => ({ file, name: `f${n}` }));
    const documents = await Promise.all(files.map(({ name }) => attachmentOf(file, name)));
    const bring = async (
      [member, connection]: [TestMember, MemberConnection],
      seq: number,
      count: number,
    ): Promise<void> => {
      const key = { spool: 'e'.repeat(32), seq };
      const { ok } = await attach(member, key, files.slice(0, count));
      if (!ok) throw new FilerError('no-space', 'not all came');
      await reportWith(connection, key, documents.slice(0, count));
    };
    let least = Infinity;
    const answers: string[] = [];
    for (let seq = 1; seq <= 40; seq++) {
      const brought = bring([eve, evil], seq, 100);
      answers.push(await brought.then(() => 'stored').catch((error: unknown) => String(error)));
      least = Math.min(least, (await statfs(home)).ffree);
    }
    let refused = 0;
    for (let seq = 1; seq <= 12; seq++) refused += await insist(() => bring([anna, modest], seq, 20));
    say(`${counted(answers)}; ${refused} tries of the other refused; ${least} inodes were left`);

    expect(answers.some((answer) => answer !== 'stored')).toBe(true);
    expect(least).toBeGreaterThanOrEqual(100);
  },
);
