import { onTestFinished, test, expect } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import type { ProgramProcess } from '../support/programs.ts';
import { TestMember } from '../support/test-member.ts';

function follow(server: RunningServer, ...args: string[]): ProgramProcess {
  const watching = server.follow(...args);
  onTestFinished(async () => void (await watching.stop('SIGKILL')));
  return watching;
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'who watches continues to do so when the server ends by %s and is started again',
  async (signal) => {
    await using server = await RunningServer.start(['--broadcast-interval', '100ms']);
    await using nas = await (await TestMember.join(await server.invite(), 'nas')).connect();
    expect(
      (await server.run('collect', 'add', 'x', '--from', '@all', '--path', 'a/**', '--every', '7d')).code,
    ).toBe(0);
    await nas.report(1, { free: '8' });
    const peers = follow(server, 'peers', '--watch', '--json');
    const words = follow(server, 'peers', '--watch');
    const collects = follow(server, 'collect', '--watch', '--json');
    const ledger = follow(server, 'collect', 'show', 'x', '--watch', '--json');
    const reports = follow(server, 'reports', '--watch', '--since', '1h', '--json');
    const all = [peers, words, collects, ledger, reports];
    await peers.line(({ peers: list }) => JSON.stringify(list).includes('"online":true'));
    await Promise.all([collects, ledger].map((each) => each.line(({ running }) => running === true)));
    await reports.line(({ seq }) => seq === 1);
    await server.stop(signal);

    await peers.line(({ server: about }) => (about as { connected: boolean }).connected === false);
    await Promise.all([collects, ledger].map((each) => each.line(({ running }) => running === false)));
    await expect.poll(() => words.stdout).toContain('the server is stopped: this is how it was');
    expect(words.stdout).toMatch(/^nas +unknown/m);
    const before = [peers, collects, ledger].map(({ lines }) => lines.length);
    const again = await server.again(['--broadcast-interval', '100ms']);
    try {
      await using back = await nas.member.connect();
      await expect.poll(() => JSON.stringify(peers.lines.slice(before[0]))).toContain('"online":true');
      await expect.poll(() => JSON.stringify(collects.lines.slice(before[1]))).toContain('"running":true');
      await expect.poll(() => JSON.stringify(ledger.lines.slice(before[2]))).toContain('"running":true');
      await back.report(2, { free: '7' });
      await reports.line(({ seq }) => seq === 2);
      expect(await Promise.all(all.map((each) => each.stop('SIGINT')))).toEqual(all.map(() => 130));
      expect(all.map(({ stderr }) => stderr)).toEqual(all.map(() => ''));
    } finally {
      await again.stop();
    }
  },
);

test('a stopped server is waited for from the start', async () => {
  await using server = await RunningServer.start();
  await server.stop();
  const watching = follow(server, 'peers', '--watch', '--json');
  await watching.line(({ server: about }) => (about as { connected: boolean }).connected === false);
  const again = await server.again();
  try {
    await watching.line(({ server: about }) => (about as { connected: boolean }).connected === true);
    expect(await watching.stop('SIGTERM')).toBe(143);
  } finally {
    await again.stop();
  }
});
