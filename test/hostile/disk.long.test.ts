import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { floodReports } from '../support/flood-reports.ts';
import { RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

const MiB = 1024 * 1024;

test('a member that floods the server with reports for long is refused when it is too fast; the database stays small, and others lose nothing', async () => {
  await using server = await RunningServer.start(['--report-space', '8MiB']);
  const link = await server.invite('--uses', '2');
  const [anna, eve] = [await TestMember.join(link, 'anna'), await TestMember.join(link, 'eve')];
  await using modest = await anna.connect();
  await using evil = await eve.connect();
  for (let time = 1; time <= 20; time++) await modest.report(time);
  const begun = performance.now();
  const answers = await floodReports(evil, 20_000);
  const seconds = (performance.now() - begun) / 1_000;
  for (let time = 21; time <= 40; time++) await modest.report(time);
  const reports = await server.reports();
  const stored = answers.filter((answer) => answer === 'stored').length;
  const { size } = await stat(join(server.home, 'ip-server.db'));
  process.stdout.write(
    `${answers.length} reports of 63 KiB in ${seconds.toFixed(1)} s: ${stored} stored, ${answers.length - stored} refused; database ${(size / MiB).toFixed(1)} MiB\n`,
  );

  expect(new Set(answers)).toEqual(new Set(['stored', 'rate-limited']));
  expect(stored / 16).toBeLessThan(64 + seconds + 2);
  expect(reports.filter(({ peer }) => peer === 'anna')).toHaveLength(40);
  expect(size).toBeLessThan(40 * MiB);
  await server.daemon.said(/reports too fast/);
});
