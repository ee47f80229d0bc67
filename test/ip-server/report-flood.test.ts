import { expect, test } from 'vitest';
import { floodReports } from '../support/flood-reports.ts';
import { RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

const KiB = 1024;

test('a member that floods the server with reports displaces its own, and the reports of others stay and come', async () => {
  await using server = await RunningServer.start(['--report-space', '4MiB']);
  const link = await server.invite('--uses', '2');
  const [anna, eve] = [await TestMember.join(link, 'anna'), await TestMember.join(link, 'eve')];
  await using modest = await anna.connect();
  await using evil = await eve.connect();
  for (let time = 1; time <= 10; time++) await modest.report(time);
  const answers = await floodReports(evil, 200);
  await modest.report(11);
  const reports = await server.reports();

  expect(answers).toEqual(Array.from({ length: 200 }, () => 'stored'));
  expect(reports.filter(({ peer }) => peer === 'anna')).toHaveLength(11);
  const mostBytes = 2 * 4 * 1024 * KiB;
  expect(reports.filter(({ peer }) => peer === 'eve').length).toBeLessThan(mostBytes / (64 * KiB));
});
